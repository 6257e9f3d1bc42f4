# SPDX-License-Identifier: Apache-2.0
"""A host in a folder, to which releases of applications go as the module wsgi_go_live brings them."""

from __future__ import annotations

import base64
import grp
import json
import pwd
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from ansible_collections.modwsgi.deploy.plugins.module_utils.deploy import (
    go_back,
    go_live,
    host_code,
    rollback,
    standby,
)
from ansible_collections.modwsgi.deploy.plugins.module_utils.deploy.probe import Findings
from ansible_collections.modwsgi.deploy.plugins.module_utils.httpd.journal import Journal
from ansible_collections.modwsgi.deploy.plugins.module_utils.instance import instance
from ansible_collections.modwsgi.deploy.plugins.module_utils.layout import layout
from ansible_collections.modwsgi.deploy.plugins.plugin_utils.site import files

from support.applications import App, complete

CONTROL = """#!/bin/sh
file=$(grep -l -r BROKEN "$2"/sites-available/ 2>/dev/null | head -n 1)
[ -z "$file" ] && { echo "Syntax OK"; exit 0; }
echo "AH00526: Syntax error on line 1 of $file:"
echo "Invalid command 'BROKEN'."
exit 1
"""
NOBODY = pwd.getpwnam("nobody")
SITE = {
    "private_port": 297,
    "python_version": "3.11.2",
    "python_prefix": "/usr",
    "mod_wsgi_version": "6.1.1",
    "log_directory": "/var/log/apache2",
}


class Host:
    """It has no httpd; ``problem`` is what a proof finds of the application ``unwell``.

    ``proven`` has whom each proof has asked.
    ``unseen`` is what the proof finds of a release of the shop that nobody sees yet, ``before_turn`` what served then.
    ``needed`` is what httpd has to do, and ``performed`` has what it did, with the release of the shop at that time.
    """

    def __init__(self, directory: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        self.directory = directory
        root = directory / "etc/apache2"
        root.mkdir(parents=True)
        (root / "apache2.conf").write_text("IncludeOptional sites-enabled/*.conf\n")
        control = directory / "control"
        control.write_text(CONTROL)
        control.chmod(0o755)
        self.described = {
            **instance("apache2"),
            "server_root": str(root),
            "control": str(control),
            "pid_file": str(directory / "pid"),
            "state_directory": str(directory / "state"),
            "volatile_directory": str(directory / "run"),
            "away_file": str(directory / "away"),
            "unit": "",
        }
        self.problem, self.unwell = "", "shop"
        self.lines: list[str] = []
        self.proven: list[list[str]] = []
        self.site = dict(SITE)
        self.unseen = ""
        self.before_turn: list[tuple[str, str]] = []
        self.needed: list[str] = []
        self.performed: list[tuple[str, str, str]] = []
        for module in (go_live, go_back, rollback, standby):
            monkeypatch.setattr(module, "Proof", self.proof)
        monkeypatch.setattr(f"{go_live.__name__}.httpd_service.needed", lambda *_: list(self.needed))
        monkeypatch.setattr(f"{go_live.__name__}.httpd_service.perform", self.perform)
        monkeypatch.setattr(rollback, "layout", self.paths)
        monkeypatch.setattr(host_code, "COMMAND_CODE", str(directory / "code.zip"))

    def perform(self, _: Any, step: str) -> None:
        """Note what served when httpd did a step, which is no longer needed then."""
        self.needed.remove(step)
        self.performed.append((step, *self.serves()))

    def proof(self, applications: list[App], _: Any, resting: bool = False) -> SimpleNamespace:
        """What asking them gives; a problem is told once."""
        if resting:
            self.before_turn.append(self.serves(applications[0]["name"]))
            asked = {each["name"] for each in applications}
            return Findings({name: text for name, text in {"shop": self.unseen}.items() if text and name in asked}, {})
        self.proven.append([each["name"] for each in applications])
        problem = self.problem if self.unwell in self.proven[-1] else ""
        self.problem = self.problem if not problem else ""
        return SimpleNamespace(
            problem=problem, problems={self.unwell: problem}, results={}, awaited=[], lines={"shop": self.lines}
        )

    def paths(self, name: str) -> dict[str, str]:
        """Where an application is."""
        return {key: str(self.directory) + path for key, path in layout(name).items()}

    def complete(self, *written: App) -> list[App]:
        """Applications as modules get them."""
        mine = {"user": "nobody", "group": grp.getgrgid(NOBODY.pw_gid).gr_name}
        found = complete(*({**mine, **app} for app in written))
        return [{**each, "paths": self.paths(each["name"]), "static": self.statics(each)} for each in found]

    def statics(self, application: App) -> list[App]:
        """The folders of static files of an application, in this folder."""
        return [{**static, "directory": f"{self.directory}{static['directory']}"} for static in application["static"]]

    def parameters(self, release: str, *written: App, **more: Any) -> dict[str, Any]:
        """Those of the module, for one release of all applications."""
        applications = self.complete(*written)
        # What is shared below /usr/local stays out of the machine that runs the tests.
        made = [file for file in files.files(applications, self.described) if not file["path"].startswith("/")]
        environments = {app["name"]: app.get("environment", {}) for app in written}
        return {
            "applications": applications,
            "environments": base64.b64encode(json.dumps(environments).encode()).decode(),
            "releases": {each["name"]: rollback.folder(each["paths"]["releases"], release) for each in applications},
            "venvs": {
                each["name"]: rollback.folder(each["paths"]["venvs"], f"venv-{release}") for each in applications
            },
            "launcher": "launcher-1",
            "files": made,
            "sensitive_files": None,
            "together_with": {},
            "foreign": {},
            "manage_service": True,
            "reap_stuck_children": False,
            "site": {**self.site, "applications": applications},
            "maintenance": False,
            "keep_releases": 3,
            "only": False,
            "all_or_nothing": True,
            "by": "anna@control",
            **more,
        }

    def deploy(self, release: str, *written: App, **more: Any) -> None:
        """Bring a release of all applications. Raises GoLiveError."""
        go_live.GoLive(self.described, self.brought(release, *written, **more), check_mode=False).run()

    def brought(self, release: str, *written: App, **more: Any) -> dict[str, Any]:
        """The parameters of the module, once a release of all applications is on the host."""
        parameters = self.parameters(release, *written, **more)
        for each in parameters["applications"]:
            paths = each["paths"]
            Path(paths["releases"], release).mkdir(parents=True, exist_ok=True)
            Path(paths["venvs"], f"venv-{release}").mkdir(parents=True, exist_ok=True)
            Path(paths["venvs"], f"venv-{release}", ".complete").touch()
            Path(paths["configuration"]).mkdir(parents=True, exist_ok=True)
        return parameters

    @property
    def journal(self) -> Journal:
        """Its journal."""
        return Journal(self.described["state_directory"])

    def vhost(self, name: str = "shop") -> str:
        """The vhost of a site."""
        return Path(self.described["server_root"], f"sites-enabled/100-modwsgi-{name}.conf").read_text()

    def variables(self, name: str = "shop") -> Any:
        """The environment variables of an application."""
        return json.loads(Path(self.paths(name)["environment"]).read_text())

    def serves(self, name: str = "shop") -> tuple[str, str]:
        """The names of the release and the virtual environment that are in use."""
        paths = self.paths(name)
        return Path(paths["current"]).resolve().name, Path(paths["venv"]).resolve().name

    def tree(self) -> dict[str, str]:
        """All that serves, and what is recorded of it."""
        found = {}
        for path in sorted(self.directory.rglob("*")):
            if path.is_symlink():
                found[str(path)] = f"-> {path.readlink()}"
            elif path.is_file():
                found[str(path)] = path.read_text(errors="replace")
        return found
