# SPDX-License-Identifier: Apache-2.0
"""Before a deployment, it is known which steps have something to do; what cannot be done is refused there."""

from __future__ import annotations

import base64
import grp
import json
import os
import pwd
import shutil
from collections.abc import Callable, Iterator
from contextlib import nullcontext
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.modwsgi.deploy.plugins.module_utils.deploy import account, gates, locales, refused, standing
from ansible_collections.modwsgi.deploy.plugins.module_utils.deploy.account import AccountError, Accounts
from ansible_collections.modwsgi.deploy.plugins.module_utils.deploy.gates import ATTRIBUTE
from ansible_collections.modwsgi.deploy.plugins.module_utils.deploy.record import write_record
from ansible_collections.modwsgi.deploy.plugins.module_utils.deploy.switch import Switching
from ansible_collections.modwsgi.deploy.plugins.module_utils.deploy.venv import virtual_environments
from ansible_collections.modwsgi.deploy.plugins.module_utils.httpd import config
from ansible_collections.modwsgi.deploy.plugins.module_utils.httpd.certificates import CertificateError
from ansible_collections.modwsgi.deploy.plugins.module_utils.httpd.file_sets.model import TransactionError
from ansible_collections.modwsgi.deploy.plugins.module_utils.httpd.transaction import journal_of
from ansible_collections.modwsgi.deploy.plugins.module_utils.instance import instance
from ansible_collections.modwsgi.deploy.plugins.module_utils.layout import layout
from ansible_collections.modwsgi.deploy.plugins.modules import wsgi_inspect
from ansible_collections.modwsgi.deploy.plugins.plugin_utils.site.apps import normalise
from ansible_collections.modwsgi.deploy.plugins.plugin_utils.site.files import mode_files
from support import instances
from support.building import build_ground, interpreter

pytestmark = pytest.mark.root("makes folders of other accounts")

NOBODY = pwd.getpwnam("nobody")
INTERPRETER = {"executable": "", "full_version": "3.11.0", "abi": "cp311"}
EVERYTHING = [
    "accounts", "packages", "releases", "venvs", "maintenance", "preparation", "certificates", "switch", "upgrade",
]  # fmt: skip

LIVE: dict[str, Any] = {"certificates": {}, "files": [], "sensitive_files": None, "foreign": {}}
"""What is to be live, where that is nothing."""


class Host:
    """A host in a folder, with one application that is to be deployed."""

    def __init__(self, root: Path, source: Path, kept: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        """`kept` is where the virtual environment stays that the first host has made: all have the same."""
        self.root = root
        self.kept = kept
        self.monkeypatch = monkeypatch
        (source / "wsgi.py").touch()
        for name in ("CODE_ROOT", "STATE_ROOT", "CONFIGURATION_ROOT"):
            monkeypatch.setattr(account, name, str(root) + getattr(account, name))
        # Not made on the machine that runs the tests.
        monkeypatch.setattr(account, "BUILD_ACCOUNT", "nobody")
        self.described = instances.below(root, server_root="etc/apache2", facts_file="mod_wsgi.fact")
        group = grp.getgrgid(NOBODY.pw_gid).gr_name
        described = {
            "name": "shop",
            "source": {"directory": str(source)},
            "server_name": "shop.example.com",
            "user": "nobody",
            "group": group,
            "maintenance": {"during_deploy": True},
        }
        sizes = {"shop": {"processes": 1, "threads": 1, "listen_backlog": 1}}
        self.application: dict[str, Any] = {
            **normalise([described], [80], sizes, instance("apache2"))[0],
            "digest": "release-1",
            "paths": {name: str(root) + path for name, path in layout("shop").items()},
        }
        self.variables: dict[str, str] = {}
        self.again = False
        self.certificates: list[dict[str, Any]] = []
        self.other_certificates: list[dict[str, Any]] = []
        self.configuration: dict[str, Any] = {}
        self.only = False
        self.live: dict[str, Any] | None = None

    @property
    def paths(self) -> dict[str, str]:
        """Where the application is."""
        found: dict[str, str] = self.application["paths"]
        return found

    def parameters(self) -> dict[str, Any]:
        environments = {"shop": self.variables}
        return {
            "applications": [self.application],
            "environments": base64.b64encode(json.dumps(environments).encode()).decode(),
            "certificates": self.certificates,
            "interpreter": {**INTERPRETER, "executable": interpreter()},
            "launcher": "launcher-1",
            "module_version": "6.1.1",
            "release_again": self.again,
            "configuration": self.configuration,
            "only": self.only,
            "other_certificates": self.other_certificates,
            "live": self.live,
        }

    def inspect(self) -> dict[str, Any]:
        return wsgi_inspect.inspect(self.parameters(), self.described)

    def deploy(self) -> None:
        """What the steps do."""
        parameters = self.parameters()
        Accounts(check_mode=False, server_user="www-data").ensure([self.application])
        release = Path(self.paths["releases"], self.application["digest"])
        release.mkdir()
        parameters["releases"] = {"shop": {"id": self.application["digest"], "path": str(release)}}
        if self.kept.exists():
            shutil.copytree(self.kept, self.paths["venvs"], symlinks=True, dirs_exist_ok=True)
        parameters["venvs"] = virtual_environments([self.application], parameters, check_mode=False)
        if not self.kept.exists():
            shutil.copytree(self.paths["venvs"], self.kept, symlinks=True)
        environments = {self.application["name"]: self.variables}
        Switching([self.application], environments, parameters, self.described).perform()
        journal_of(self.described).commit()

    def tree(self) -> list[str]:
        return sorted(str(path) for path in self.root.rglob("*"))


@pytest.fixture(name="kept", scope="module")
def fixture_kept(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("kept") / "venvs"


@pytest.fixture(name="host")
def fixture_host(tmp_path: Path, kept: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Host]:
    with build_ground(monkeypatch) as folder:
        (folder / "host").mkdir()
        yield Host(folder / "host", tmp_path, kept, monkeypatch)


@pytest.fixture(name="deployed")
def fixture_deployed(host: Host) -> Host:
    host.deploy()
    assert host.inspect()["steps"] == []
    return host


def test_a_fresh_host_needs_everything_and_is_left_as_it_is(host: Host) -> None:
    found = host.inspect()
    assert found["steps"] == ["accounts", "releases", "venvs", "preparation", "switch"]
    assert found["releases"]["shop"]["id"] == "release-1"
    assert host.tree() == []


@pytest.fixture(name="proofs")
def fixture_proofs(monkeypatch: pytest.MonkeyPatch) -> list[bool]:
    """Whether applications were asked, for each proof that was made."""
    made: list[bool] = []

    def proof(_live: Any, _configuration: Any, _described: Any, ask: bool) -> dict[str, Any]:
        made.append(ask)
        return {"applications": {}}

    monkeypatch.setattr(standing, "proof", proof)
    return made


def test_where_nothing_is_left_to_do_all_is_proven(deployed: Host, proofs: list[bool]) -> None:
    assert "proven" not in deployed.inspect()
    assert proofs == [], "nobody has asked for it"
    deployed.live = LIVE
    assert deployed.inspect()["proven"] == {"applications": {}}


def test_what_is_left_to_do_or_cannot_be_compared_is_not_proven(deployed: Host, proofs: list[bool]) -> None:
    deployed.live = {**LIVE, "certificates": {"shop": {"fingerprint": "a"}}}
    assert "proven" not in deployed.inspect(), "the certificate has changed since the files were made"
    deployed.live = LIVE
    deployed.variables = {"NEW": "1"}
    assert "proven" not in deployed.inspect()
    assert proofs == []


@pytest.mark.parametrize("before", ["daemon", "embedded"])
@pytest.mark.parametrize("after", ["daemon", "embedded"])
def test_a_restart_for_files_of_the_applications_is_told_before_it(
    deployed: Host, monkeypatch: pytest.MonkeyPatch, before: str, after: str
) -> None:
    """The first application in httpd's own processes, and the last one that goes."""
    monkeypatch.setattr(config, "httpd_main_process", lambda _: object())
    root = Path(deployed.described["server_root"])
    text, link = mode_files([{"mode": before}])
    for path in (root / text["path"], root / link["path"]):
        path.parent.mkdir(parents=True)
    (root / text["path"]).write_text(text["content"])
    (root / text["path"]).chmod(0o644)
    (root / link["path"]).symlink_to(link["link"])
    manifest = deployed.root / "state/manifests/wsgi_app.json"
    manifest.parent.mkdir(parents=True)
    entries = {
        str(root / file["path"]): {"kind": "content", "action": "restart", "original": ""} for file in (text, link)
    }
    manifest.write_text(json.dumps({"files": entries}))
    files = mode_files([{"mode": after}])
    deployed.live = {**LIVE, "files": files, "certificates": {"shop": {"fingerprint": "another, so nothing is proven"}}}
    told = [notice for notice in deployed.inspect()["notices"] if "this change restarts it" in notice]
    assert len(told) == (before != after)
    assert all("since it reads modwsgi-embedded.conf only when it starts" in notice for notice in told), "and not twice"


def test_where_everything_is_there_its_names_are_told(deployed: Host) -> None:
    before = deployed.tree()
    found = deployed.inspect()
    paths = deployed.paths
    assert found["steps"] == []
    assert found["releases"]["shop"] == {"id": "release-1", "path": f"{paths['releases']}/release-1", "changed": False}
    assert found["venvs"]["shop"]["path"] == os.path.realpath(paths["venv"])
    assert deployed.tree() == before


@pytest.mark.parametrize("key", ["lang", "locale"])
def test_a_locale_that_the_host_does_not_have_is_refused(host: Host, key: str) -> None:
    host.application[key] = "xx_XX.UTF-8"
    with pytest.raises(
        ValueError, match=rf"application 'shop', key {key}: this host has no locale xx_XX.UTF-8 \(there "
    ):
        host.inspect()
    assert host.tree() == []


def test_locales_of_the_c_library_cost_nothing(host: Host, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(locales, "installed", lambda: pytest.fail("a program was run"))
    monkeypatch.setattr(locales.locale, "setlocale", lambda *_: pytest.fail("the locale was changed"))
    for name in ("C", "POSIX", "C.UTF-8"):
        host.application["locale"] = name
        assert "switch" in host.inspect()["steps"]


def test_a_time_zone_that_the_host_does_not_have_is_refused(
    host: Host, tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch
) -> None:
    zones = tmp_path_factory.mktemp("zoneinfo")
    (zones / "Europe").mkdir()
    (zones / "Europe" / "Berlin").touch()
    monkeypatch.setattr(locales, "ZONES", str(zones))
    for there in ("Europe/Berlin", ":Europe/Berlin", "CET-1CEST", "UTC", ""):
        host.variables = {"TZ": there}
        assert "switch" in host.inspect()["steps"]
    host.variables = {"TZ": "Europe/Berln"}
    with pytest.raises(ValueError, match=r"key environment.TZ: this host has no time zone of that name") as error:
        host.inspect()
    assert "Berln" not in str(error.value), "values of variables are not shown"


def new_release(host: Host) -> None:
    host.application["digest"] = "release-2"


def prepared_release(host: Host) -> None:
    new_release(host)
    Path(host.paths["releases"], "release-2").mkdir()


def open_code(host: Host) -> None:
    """As earlier versions have left it."""
    releases = host.paths["releases"]
    os.removexattr(releases, ATTRIBUTE)
    os.chmod(releases, 0o755)
    os.chown(releases, 0, 0)


def earlier_link(host: Host) -> None:
    link = Path(host.paths["current"])
    link.unlink()
    link.symlink_to("elsewhere")


def stale_process(host: Host) -> None:
    content = json.loads(Path(host.paths["deployment"]).read_text())
    write_record(host.paths["deployment"], {**content, "stale_processes": [[1, 1]]})


Due = list[tuple[str, str]]
RELEASED: Due = [("releases", ""), ("venvs", ""), ("switch", "release, venv")]
CHANGES: dict[str, tuple[Callable[[Host], Any], list[str], Due]] = {
    "a release": (new_release, ["releases", "venvs", "maintenance", "preparation", "switch"], RELEASED),
    "a release that is there": (prepared_release, ["maintenance", "preparation", "switch"], [("switch", "release")]),
    "a page": (
        lambda host: host.application.update(maintenance={"enabled": True, "during_deploy": False}),
        ["maintenance"],
        [("maintenance", "show")],
    ),
    "a page of before": (
        lambda host: Path(host.paths["code"], "maintenance").touch(),
        ["maintenance"],
        [("maintenance", "hide")],
    ),
    "a variable": (
        lambda host: host.variables.update(KEY="value"),
        ["preparation", "switch"],
        [("switch", "environment")],
    ),
    "a script": (lambda host: host.application.update(script="other.py"), ["switch"], [("switch", "application")]),
    "a command": (
        lambda host: host.application.update(release_commands=[["true"]]),
        ["preparation", "switch"],
        [("switch", "commands")],
    ),
    "no virtual environment": (
        lambda host: Path(os.path.realpath(host.paths["venv"]), ".complete").unlink(),
        ["venvs"],
        [("venvs", "")],
    ),
    "no account for builds": (
        lambda host: host.monkeypatch.setattr(account, "BUILD_ACCOUNT", "no-such-account"),
        ["accounts"],
        [("accounts", "Create the user no-such-account")],
    ),
    "an open folder": (
        lambda host: Path(host.paths["state"]).chmod(0o777),
        ["accounts"],
        [("accounts", "Correct owner and mode of {state}")],
    ),
    "open code": (open_code, ["accounts"], [("accounts", "Correct owner and mode of {releases}")]),
    "an edited file": (
        lambda host: Path(host.paths["environment"]).write_text("{}"),
        ["switch"],
        [("switch", "files")],
    ),
    "an earlier link": (earlier_link, ["switch"], [("switch", "files")]),
    "a process of before": (stale_process, ["switch"], [("switch", "processes")]),
}
"""What changes, the steps that it needs, and what of them is due: the step, and what it does."""


@pytest.mark.parametrize("change", CHANGES)
def test_what_a_change_needs(deployed: Host, change: str) -> None:
    act, steps, due = CHANGES[change]
    assert deployed.inspect()["due"] == []
    act(deployed)
    found = deployed.inspect()
    assert found["steps"] == steps
    assert found["due"] == [
        {"step": step, "name": "" if step == "accounts" else "shop", "what": what.format(**deployed.paths)}
        for step, what in due
    ]


def test_a_host_of_an_earlier_version_is_closed_by_the_next_run(deployed: Host) -> None:
    """Also the releases to which a way back leads, and the files of an earlier group."""
    open_code(deployed)
    Accounts(check_mode=False, server_user="www-data").ensure([deployed.application])
    assert deployed.inspect()["steps"] == []
    release = Path(os.path.realpath(deployed.paths["current"]))
    assert release.stat().st_gid == NOBODY.pw_gid
    modes = {os.stat(deployed.paths[kind]).st_mode & 0o777 for kind in ("releases", "venvs")}
    assert modes == {0o750}


def test_a_file_system_without_access_lists_is_told(deployed: Host, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(gates, "access_list", lambda _: None)
    Accounts(check_mode=False, server_user="www-data").ensure([deployed.application])
    found = deployed.inspect()
    code = deployed.paths["code"]
    assert found["steps"] == []
    (notice,) = found["notices"]
    assert notice.startswith(f"The file system of {code} has no access lists, so all accounts")


def test_an_upgrade_to_6_is_a_step(deployed: Host) -> None:
    facts = Path(deployed.described["facts_file"])
    facts.write_text('{"version": "5.0.2"}')
    assert deployed.inspect()["steps"] == ["upgrade"]
    facts.write_text('{"version": "6.0.6"}')
    assert deployed.inspect()["steps"] == []


def test_while_a_change_is_not_proven_every_step_looks_for_itself(deployed: Host) -> None:
    journal_of(deployed.described).begin(process=None, pending="none", reaps=False)
    assert deployed.inspect()["steps"] == EVERYTHING


def test_a_half_made_step_counts_too(deployed: Host) -> None:
    Path(journal_of(deployed.described).directory).mkdir(parents=True)
    assert deployed.inspect()["steps"] == EVERYTHING


def certificate(host: Host, **keys: Any) -> dict[str, Any]:
    files = {"certificate": str(host.root / "shop.crt"), "key": str(host.root / "shop.key")}
    return {"name": "shop", **files, "names": ["shop.example.com"], "self_signed": False, **keys}


def test_a_certificate_is_looked_at(deployed: Host, monkeypatch: pytest.MonkeyPatch) -> None:
    deployed.certificates = [certificate(deployed, self_signed=True)]
    assert deployed.inspect()["steps"] == ["certificates"]
    deployed.certificates = [certificate(deployed)]
    with pytest.raises(CertificateError, match="cannot be read on the host"):
        deployed.inspect()
    (deployed.root / "shop.crt").touch()
    (deployed.root / "shop.key").touch()
    monkeypatch.setattr("shutil.which", lambda _: None)
    assert deployed.inspect()["steps"] == ["certificates"], "without openssl nothing is known yet"


def test_a_certificate_of_an_application_that_is_left_out_refuses_nothing(deployed: Host) -> None:
    deployed.only, deployed.other_certificates = True, [certificate(deployed, name="blog")]
    found = deployed.inspect()
    assert (found["steps"], found["due"], found["certificates"]) == ([], [], {})


def shared(host: Host, **files: str) -> dict[str, Any]:
    """Files of the server and of all applications."""
    mine = {"owner": "root", "group": "root"}
    listed = {role: [{"path": str(host.root / role), "content": text, **mine}] for role, text in files.items()}
    for role, text in files.items():
        (host.root / role).write_text(text)
        (host.root / role).chmod(0o644)
    return listed


@pytest.mark.parametrize("role", ["httpd", "wsgi_app"])
def test_a_run_for_some_applications_takes_the_server_as_it_is(deployed: Host, role: str) -> None:
    deployed.configuration, deployed.only = shared(deployed, httpd="a", wsgi_app="b"), True
    manifest = deployed.root / "state/manifests/wsgi_app.json"
    manifest.parent.mkdir(parents=True)
    manifest.write_text(json.dumps({"files": {"/vhost": {"kind": "content", "action": "restart", "original": ""}}}))
    assert deployed.inspect()["steps"] == []
    (deployed.root / role).chmod(0o600)
    with pytest.raises(ValueError, match=f"{role} is not as the inventory and this version of"):
        deployed.inspect()
    deployed.only = False
    assert deployed.inspect()["steps"] == []


def test_a_run_for_some_applications_does_not_end_what_another_has_begun(deployed: Host) -> None:
    journal_of(deployed.described).begin(process=None, pending="none", reaps=False)
    deployed.only = True
    with pytest.raises(ValueError, match="A change of an earlier run is not proven on this host"):
        deployed.inspect()


@pytest.mark.parametrize(
    ("above", "mode", "refused"), [(0o755, 0o711, False), (0o750, 0o755, True), (0o755, 0o750, True)]
)
def test_a_static_folder_that_httpd_cannot_enter_is_refused(host: Host, above: int, mode: int, refused: bool) -> None:
    folder = host.root / "uploads" / "media"
    folder.mkdir(parents=True)
    folder.chmod(mode)
    folder.parent.chmod(above)
    host.described["user"] = "nobody"
    host.application["static"] = [{"url": "/media", "directory": str(folder), "file": ""}]
    sentence = (
        r"application 'shop', key static\[0\]\.directory: httpd's account nobody has no access to .*/media on the host"
    )
    with pytest.raises(ValueError, match=sentence) if refused else nullcontext():
        host.inspect()
    host.described["user"] = "no-such-account"
    assert host.inspect(), "httpd is not installed yet"


def test_a_folder_that_is_not_there_is_told(host: Host) -> None:
    host.application["static"] = [{"url": "/media", "directory": "/nowhere/media", "file": ""}]
    assert [each for each in host.inspect()["notices"] if "key static[0].directory: /nowhere/media is not on" in each]


def test_an_account_that_is_root_is_refused(host: Host) -> None:
    host.application["user"] = "root"
    with pytest.raises(AccountError, match="application 'shop', key user: root has user id 0 on this host"):
        host.inspect()


def test_a_group_that_is_worth_root_is_refused(host: Host) -> None:
    host.application["group"] = "shadow"
    with pytest.raises(AccountError, match="application 'shop', key group: shadow is the group shadow, which reads"):
        host.inspect()


def test_a_file_of_others_is_refused(host: Host) -> None:
    path = Path(host.described["server_root"], "conf-available/modwsgi.conf")
    path.parent.mkdir(parents=True)
    path.write_text("theirs\n")
    files = [{"path": "conf-available/modwsgi.conf", "content": "ours\n"}]
    host.configuration = {"httpd": files}
    with pytest.raises(TransactionError, match="exists already and was not written by httpd"):
        host.inspect()


@pytest.fixture(name="rolled_back")
def fixture_rolled_back(deployed: Host) -> Host:
    """A host on which somebody has gone back from the second release to the first."""
    file = Path(refused.refused_file(deployed.paths))
    file.parent.mkdir(mode=0o700)
    left = {"releases": ["release-2"], "to": "release-1", "by": "ben@web1", "since": "2026-11-30T10:00:00Z"}
    file.write_text(json.dumps(left))
    return deployed


def test_a_release_that_was_rolled_back_by_hand_is_refused(rolled_back: Host) -> None:
    new_release(rolled_back)
    before = rolled_back.tree()
    sentence = (
        r"application 'shop', key source: this host was rolled back by hand from release release-2 to release-1 "
        r"\(ben@web1, 2026-11-30T10:00:00Z\), so it does not come again; change the source, or run with "
        r"-e release_again=true\."
    )
    with pytest.raises(ValueError, match=sentence):
        rolled_back.inspect()
    assert rolled_back.tree() == before


def test_the_release_that_was_gone_back_to_is_no_change(rolled_back: Host) -> None:
    found = rolled_back.inspect()
    assert (found["steps"], found["notices"]) == ([], [])


@pytest.mark.parametrize(("release", "again"), [("release-3", False), ("release-2", True)])
def test_another_source_or_a_wish_ends_a_way_back_by_hand(rolled_back: Host, release: str, again: bool) -> None:
    rolled_back.application["digest"] = release
    rolled_back.again = again
    found = rolled_back.inspect()
    assert "switch" in found["steps"]
    assert found["notices"] == [
        f"shop was rolled back by hand to release release-1 (ben@web1, 2026-11-30T10:00:00Z); this run brings release "
        f"{release}."
    ]


def test_a_release_that_serves_is_never_refused(rolled_back: Host) -> None:
    """Whatever became of the run that has brought it."""
    file = Path(refused.refused_file(rolled_back.paths))
    file.write_text(json.dumps({**json.loads(file.read_text()), "releases": ["release-1"], "to": "release-0"}))
    assert rolled_back.inspect()["steps"] == []
