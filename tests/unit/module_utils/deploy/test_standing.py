# SPDX-License-Identifier: Apache-2.0
"""A run that has nothing to do is proven without a further module, and only when nothing at all is left to do."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from ansible_collections.modwsgi.deploy.plugins.module_utils.deploy import standing
from ansible_collections.modwsgi.deploy.plugins.module_utils.deploy.probe import Proof
from ansible_collections.modwsgi.deploy.plugins.module_utils.httpd import config, pending
from ansible_collections.modwsgi.deploy.plugins.module_utils.httpd.control import ControlError
from support import instances

pytestmark = pytest.mark.root("files belong to root")

SHOP = {"name": "shop", "health": {"timeout": 60}, "startup_timeout": 90, "startup_timeouts": {"shop": 90}}


class Host:
    """A host in a folder, with the configuration of one application live."""

    def __init__(self, root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        self.described = {**instances.below(root, server_root="etc"), "control": "/bin/true", "group": "root"}
        for folder in ("etc", "state", "run"):
            (root / folder).mkdir()
        self.site = root / "etc/site.conf"
        self.log = root / "site-error.log"
        self.configuration: dict[str, Any] = {"httpd": [{"path": "ports.conf", "content": "Listen 80\n"}]}
        self.live: dict[str, Any] = {
            "files": [
                {"path": "site.conf", "content": "# shop\n"},
                {"path": str(self.log), "log": True, "mode": "0640"},
            ],
            "sensitive_files": None,
            "foreign": {},
            "manage_service": True,
            "reap_stuck_children": False,
            "site": {"applications": [SHOP], "log_directory": str(root)},
        }
        self.steps: list[str] = []
        self.problem = ""
        self.asked: list[list[dict[str, Any]]] = []
        self.meanwhile: Callable[[], object] = lambda: None
        monkeypatch.setattr(standing.httpd_service, "needed", self.needed)
        monkeypatch.setattr(standing, "Proof", self.proof)
        sets = {**self.configuration, standing.OWNER: self.live["files"]}
        config.run(self.described, sets, {}, check_mode=False)
        config.httpd_return.commit(self.described, None)
        pending.clear(self.described)

    def needed(self, _service: Any, state: str, enabled: bool, reap: bool) -> list[str]:
        assert (state, enabled, reap) == ("applied", True, False)
        if "fail" in self.steps:
            raise ControlError("systemctl cannot be run.")
        return self.steps

    def proof(self, applications: list[dict[str, Any]], site: dict[str, Any]) -> SimpleNamespace:
        self.meanwhile()
        assert site["log_directory"]
        self.asked.append(applications)
        return SimpleNamespace(
            problem=self.problem, results={each["name"]: {} for each in applications}, awaited=["Not yet."]
        )

    def two_colours(self) -> None:
        """Two releases, of which none is said to serve."""
        paths = {"code": str(self.site.parent)}
        self.live["site"]["applications"] = [{**SHOP, "colours": ["blue", "green"], "paths": paths}]

    def proven(self, ask: bool = True) -> dict[str, Any] | None:
        return standing.proof(self.live, self.configuration, self.described, ask)


@pytest.fixture(name="host")
def fixture_host(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Host:
    return Host(tmp_path, monkeypatch)


def test_what_stands_is_asked_and_proven(host: Host) -> None:
    assert host.proven() == {"applications": {"shop": {}}, "awaited_certificates": ["Not yet."]}


def test_of_two_releases_it_is_said_which_one_serves(host: Host) -> None:
    host.two_colours()
    host.site.with_name("active").write_text("active shop:blue\n", encoding="utf-8")
    assert host.proven() is not None


def test_check_mode_asks_nobody(host: Host) -> None:
    assert host.proven(ask=False) == {"applications": {}, "awaited_certificates": ["Not yet."]}
    assert host.asked == [[]]


def test_where_httpd_is_not_ours_to_run_nobody_is_asked(host: Host) -> None:
    host.live["manage_service"] = False
    host.steps = ["start"]
    assert host.proven() is not None
    assert host.asked == [[]]


def a_file_of_others(host: Host) -> None:
    host.live["files"].append({"path": "other.conf", "content": "new\n"})
    host.site.with_name("other.conf").write_text("theirs\n", encoding="utf-8")


DEFECTS: dict[str, Callable[[Host], Any]] = {
    "another content": lambda host: host.site.write_text("# mine\n", encoding="utf-8"),
    "another mode": lambda host: host.site.chmod(0o666),
    "a shared file": lambda host: host.configuration["httpd"][0].update(content="Listen 81\n"),
    "a file that is no longer wanted": lambda host: host.live["files"].pop(0),
    "a file of others": a_file_of_others,
    "a log that all may read": lambda host: host.log.chmod(0o644),
    "a server that does not run": lambda host: vars(host).update(steps=["start"]),
    "a service that cannot be asked": lambda host: vars(host).update(steps=["fail"]),
    "an application that is not well": lambda host: vars(host).update(problem="It answered with status 500."),
    "two releases of which none is said to serve": lambda host: host.two_colours(),
    "another run that has begun": lambda host: vars(host).update(
        meanwhile=lambda: standing.transaction.begin(host.described)
    ),
}


@pytest.mark.parametrize("defect", DEFECTS)
def test_what_does_not_stand_is_left_to_the_module_that_mends_it(host: Host, defect: str) -> None:
    DEFECTS[defect](host)
    assert host.proven() is None


def test_a_reload_that_never_came_is_left_to_it_as_well(host: Host, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pending, "read", lambda _: pending.RELOAD)
    assert host.proven() is None
    assert host.asked == [], "it would prove what was read before"


def test_nobody_waits_long_for_what_is_asked_again_anyway(host: Host) -> None:
    host.proven()
    ((shop,),) = host.asked
    assert shop["health"]["timeout"] == standing.PATIENCE_SECONDS
    assert SHOP["health"] == {"timeout": 60}, "the application itself is left as it is"


def test_the_proof_is_that_of_a_deployment() -> None:
    """The same requests, to the real server."""
    assert standing.__dict__["Proof"] is Proof
