# SPDX-License-Identifier: Apache-2.0
"""httpd loads exactly one module that takes connections, and gets the sizes that this one knows."""

from __future__ import annotations

import re
from typing import Any

import pytest
from ansible_collections.modwsgi.deploy.plugins.plugin_utils.httpd.sizing import MPMS
from support.preflight import base

OTHERS: dict[str, Any] = {"sites": [{"file": "/etc/apache2/sites-enabled/old.conf"}], "mpm": "mpm_prefork"}


def with_mpm(*names: str, host: dict[str, Any] | None = None, **variables: Any) -> Any:
    """A host with these modules instead of mpm_event."""
    return base((), host, httpd_modules=[*names, "alias", "authz_core", "status"], **variables)


def contents(server: Any) -> dict[str, Any]:
    return {file["path"]: file for file in server.files()}


@pytest.mark.parametrize("mpm", MPMS)
def test_the_chosen_one_is_loaded_and_the_others_are_not(mpm: str) -> None:
    files = contents(with_mpm(mpm))
    for each in MPMS:
        assert bool(files[f"mods-enabled/{each}.load"].get("absent")) is (each != mpm)
        assert files[f"mods-enabled/{each}.conf"]["absent"], "its sizes are ours"
    text = files["conf-available/modwsgi-sizes.conf"]["content"]
    threads = ("ThreadLimit", "ThreadsPerChild", "MinSpareThreads", "MaxSpareThreads")
    assert [name in text for name in threads] == [mpm != "mpm_prefork"] * 4
    assert ("MaxSpareServers" in text) is (mpm == "mpm_prefork")


@pytest.mark.parametrize(("names", "words"), [((), "no MPM"), (MPMS[1:], "mpm_worker and mpm_prefork")])
def test_none_and_several_are_refused(names: tuple[str, ...], words: str) -> None:
    (problem,) = with_mpm(*names).problems("web1")
    assert problem == (
        f"httpd_modules or httpd_extra_modules of host web1 has {words}, and httpd needs exactly one; "
        "choose one of mpm_event, mpm_worker, mpm_prefork."
    )


def test_what_needs_the_event_mpm_is_refused_with_another() -> None:
    (problem,) = with_mpm("mpm_worker", httpd_reap_stuck_children=True).problems("web1")
    assert re.match("httpd_reap_stuck_children of host web1 needs mpm_event, .* and the host has mpm_worker", problem)
    assert with_mpm("mpm_event", httpd_reap_stuck_children=True).problems("web1") == []


@pytest.mark.parametrize("module", ["php8.2", "mpm_itk"])
@pytest.mark.parametrize("foreign", [{}, {"httpd_foreign_sites": "ignore"}])
def test_what_needs_prefork_is_refused_with_threads_whoever_enabled_it(module: str, foreign: dict[str, str]) -> None:
    """httpd itself would refuse it, but only when all is built."""
    host = {"php": module}
    (problem,) = with_mpm("mpm_event", host=host, **foreign).problems("web1")
    assert problem == (
        f"httpd_modules or httpd_extra_modules of host web1 has mpm_event, and httpd of the host has {module} enabled, "
        f"which only mpm_prefork can load; name {module} in httpd_removed_modules, or use mpm_prefork."
    )
    assert with_mpm("mpm_prefork", host=host, **foreign).problems("web1") == []
    assert with_mpm("mpm_event", host=host, httpd_removed_modules=[module], **foreign).problems("web1") == []


def test_beside_sites_of_others_the_number_of_processes_is_theirs() -> None:
    def has_sizes(**variables: Any) -> bool:
        return "conf-available/modwsgi-sizes.conf" in contents(
            with_mpm("mpm_prefork", host={"foreign": OTHERS}, **variables)
        )

    assert not has_sizes()
    assert has_sizes(httpd_max_request_workers=40)
    assert "mods-enabled/mpm_event.load" not in contents(with_mpm("mpm_prefork", host={"foreign": OTHERS}))
