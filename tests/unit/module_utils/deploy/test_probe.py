# SPDX-License-Identifier: Apache-2.0
"""Every application of a host is asked, whatever another one answers."""

from __future__ import annotations

from pathlib import Path

import pytest
from ansible_collections.modwsgi.deploy.plugins.module_utils.deploy import probe as wsgi_proof


def test_an_application_that_is_broken_hides_no_other(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def probe(check: wsgi_proof.Check, group: str) -> dict[str, str]:
        if check.name == "shop":
            return {"process_group": group}
        raise wsgi_proof.ProbeError(f"The application {check.name} is broken.", [f"Error: {check.name}"])

    monkeypatch.setattr(wsgi_proof.Check, "probe", probe)
    monkeypatch.setattr(wsgi_proof.Check, "health", lambda check: check.result.update(status=200))
    applications = [{"name": name, "daemon_groups": [], "health": {}} for name in ("blog", "shop", "wiki")]
    proof = wsgi_proof.Proof(applications, {"log_directory": str(tmp_path)})
    assert proof.problem == "The application blog is broken.\nThe application wiki is broken."
    assert proof.lines == {"blog": ["Error: blog"], "wiki": ["Error: wiki"]}
    assert proof.results["shop"] == {"probe": {"process_group": "shop"}, "status": 200}
