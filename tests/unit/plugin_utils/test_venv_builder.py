# SPDX-License-Identifier: Apache-2.0
"""Who builds virtual environments for whom, and how they pass the control node."""

from __future__ import annotations

import hashlib
from pathlib import Path
from types import SimpleNamespace
from typing import Any
from unittest.mock import MagicMock

import pytest
from ansible.errors import AnsibleConnectionFailure
from ansible_collections.modwsgi.deploy.plugins.action import wsgi_venv, wsgi_venv_copies
from ansible_collections.modwsgi.deploy.plugins.plugin_utils import venv_builder

ID = "0f122f39dd3b82d24098"


def known(builder: str = "", **changes: Any) -> dict[str, Any]:
    """What is known of a host after its preflight."""
    python = {
        "executable": "/usr/bin/python3.11",
        "full_version": "3.11.2",
        "abi": "cp311",
        "libpython": "/usr/lib/x.so",
    }
    return {
        "wsgi_app_builder": builder,
        "wsgi_app_applications": [{"name": "shop"}],
        "wsgi_app_others": [],
        "mod_wsgi_inspection": {"distribution": "debian12", "architecture": "x86_64"},
        "mod_wsgi_interpreter": python,
        **changes,
    }


BOTH = ["web1", "web2"]
PYTHON = known()["mod_wsgi_interpreter"]


def problem(builder: dict[str, Any] | None, everyone: list[str] = BOTH, alive: list[str] = BOTH) -> str:
    """Why web1 cannot build for web2."""
    hosts = {"web2": known("web1"), **({} if builder is None else {"web1": builder})}
    return venv_builder.problem("web2", hosts, everyone, alive)


def test_each_host_builds_for_itself_unless_another_one_is_named() -> None:
    assert [venv_builder.builder_of(each, "web2") for each in ("each", "host:web2", "host:web1")] == ["", "", "web1"]


@pytest.mark.parametrize(
    ("build_on", "said"),
    [
        ("web1", "wsgi_build_on is 'web1'; write each, or host:NAME with the name of a host in the inventory."),
        ("host:", "wsgi_build_on is 'host:'; write each"),
        ("host:web9", "wsgi_build_on names web9, and the inventory has no such host; correct the name."),
        ("host:web1", ""),
        ("each", ""),
    ],
)
def test_a_builder_that_nobody_knows_is_refused(build_on: str, said: str) -> None:
    found = venv_builder.setting_problems(build_on, BOTH)
    assert "".join(found).startswith(said)
    assert bool(found) is bool(said)


def test_one_of_the_same_kind_can_build() -> None:
    assert problem(known()) == ""
    assert problem(known(wsgi_app_applications=[], wsgi_app_others=[{"name": "shop"}, {"name": "blog"}])) == ""


@pytest.mark.parametrize(
    ("builder", "more", "said"),
    [
        (None, {"everyone": ["web2"]}, "names web1, which is not in this run; run it for web1, too (--limit),"),
        (
            known(),
            {"alive": ["web2"]},
            "names web1, which has failed in this run; correct that and run the play again.",
        ),
        (None, {}, "names web1, which has failed in this run"),
        (known("web3"), {}, "names web1, whose own are built on web3; name that one."),
        (
            known(mod_wsgi_inspection={"distribution": "debian13", "architecture": "x86_64"}),
            {},
            "names web1, which has Debian 13, x86_64, /usr/bin/python3.11 3.11.2 and not Debian 12, x86_64",
        ),
        (
            known(mod_wsgi_inspection={"distribution": "debian12", "architecture": "aarch64"}),
            {},
            "name one of its kind",
        ),
        (known(mod_wsgi_interpreter={**PYTHON, "full_version": "3.11.9"}), {}, "name one of its kind"),
        (known(mod_wsgi_interpreter={**PYTHON, "executable": "/usr/local/bin/python"}), {}, "name one of its kind"),
        (
            known(wsgi_app_applications=[]),
            {},
            "names web1, which has no application shop; give it the same ones, or set ",
        ),
    ],
)
def test_one_that_cannot_build_is_refused(builder: dict[str, Any] | None, more: dict[str, Any], said: str) -> None:
    found = problem(builder, **more)
    assert found.startswith("wsgi_build_on of host web2 names web1, w")
    assert said in found


def test_no_name_of_a_host_leads_elsewhere() -> None:
    assert str(venv_builder.place("/tmp/run", "../../etc", "shop", ID)).startswith("/tmp/run/wsgi_venvs/")
    assert ".." not in str(venv_builder.place("/tmp/run", "../../etc", "shop", ID))


class Builder:
    """A host that has what is asked for: ``content`` is what it sends."""

    def __init__(self) -> None:
        self.content: bytes | Exception = b"an archive"
        self.answer: dict[str, Any] = {"changed": False, "packed": ["shop"]}
        self.packed: list[dict[str, Any]] = []
        self.fetched: list[str] = []

    def asked(self, hosts: dict[str, Any] | None = None, alive: list[str] = BOTH, **arguments: Any) -> dict[str, Any]:
        """What web2 gets."""
        task = SimpleNamespace(args=arguments, async_val=0, check_mode=False)
        made = wsgi_venv_copies.ActionModule(task, MagicMock(), MagicMock(), MagicMock(), MagicMock(), MagicMock())
        made._connection._shell.join_path = lambda *parts: "/".join(parts)
        made._connection._shell.tmpdir = "/remote"
        made._make_tmp_path = made._remove_tmp_path = MagicMock()
        made._execute_module = lambda _, options, **__: self.packed.append(options) or self.answer
        made._connection.fetch_file = self.fetch
        preflights = {"web1": known(), "web2": known("web1"), **(hosts or {})}
        variables = {
            "inventory_hostname": "web2",
            "hostvars": {name: {"modwsgi_preflight": each} for name, each in preflights.items()},
            "ansible_play_hosts_all": BOTH,
            "ansible_play_hosts": alive,
        }
        found: dict[str, Any] = made.run(None, variables)
        return found

    def fetch(self, remote: str, local: str) -> None:
        self.fetched.append(remote)
        if isinstance(self.content, Exception):
            raise self.content
        Path(local).write_bytes(self.content)


@pytest.fixture(name="run_folder")
def fixture_run_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr(wsgi_venv_copies.constants, "DEFAULT_LOCAL_TMP", str(tmp_path))
    return tmp_path


@pytest.mark.usefixtures("run_folder")
class TestCopies:
    def test_what_the_builder_sends_is_there_with_its_checksum(self, run_folder: Path) -> None:
        builder = Builder()
        found = builder.asked(wanted={"shop": ID})["copies"]["shop"]
        assert (found["id"], found["builder"]) == (ID, "web1")
        assert found["sha256"] == hashlib.sha256(b"an archive").hexdigest()
        assert Path(found["file"]).read_bytes() == b"an archive"
        assert Path(found["file"]).is_relative_to(run_folder)
        assert builder.packed == [{"wanted": {"shop": ID}, "folder": "/remote", "builder": "web1", "host": "web2"}]
        assert builder.fetched == ["/remote/shop.tar.gz"]

    def test_it_is_fetched_once_in_a_run(self) -> None:
        builder = Builder()
        assert builder.asked(wanted={"shop": ID}) == builder.asked(wanted={"shop": ID})
        assert len(builder.fetched) == 1

    def test_a_check_asks_nobody(self) -> None:
        builder = Builder()
        assert builder.asked(only_check=True)["copies"] == {}
        assert (builder.packed, builder.fetched) == ([], [])
        assert "which has no application shop" in builder.asked({"web1": known(wsgi_app_applications=[])})["msg"]

    def test_a_builder_that_has_failed_since_is_not_asked(self) -> None:
        builder = Builder()
        found = builder.asked(alive=["web2"], wanted={"shop": ID})
        assert found["failed"]
        assert "names web1, which has failed in this run" in found["msg"]
        assert builder.packed == []

    @pytest.mark.parametrize(
        "wanted",
        [
            {"blog": ID},
            {"../shop": ID},
            {"shop": "../../etc/shadow"},
            {"shop": ID.upper()},
            {"shop": 7},
            ["shop"],
            "shop",
        ],
    )
    def test_a_host_cannot_want_anything_else(self, run_folder: Path, wanted: Any) -> None:
        builder = Builder()
        found = builder.asked(wanted=wanted)
        assert found["failed"]
        assert found["msg"].startswith("Host web2 answers ")
        assert (builder.packed, list(run_folder.iterdir())) == ([], [])

    def test_what_the_builder_refuses_is_told(self) -> None:
        builder = Builder()
        builder.answer = {"failed": True, "msg": "Host web1 has no virtual environment."}
        assert builder.asked(wanted={"shop": ID})["msg"] == "Host web1 has no virtual environment."
        assert builder.fetched == []

    @pytest.mark.parametrize("content", [bytes(1 << 17), AnsibleConnectionFailure("gone"), OSError(28, "full")])
    def test_what_does_not_come_whole_is_not_there(self, run_folder: Path, content: bytes | Exception) -> None:
        builder = Builder()
        builder.content = content
        found = builder.asked(wanted={"shop": ID}, build_size=1 << 16)
        assert "was not fetched from host web1, which may send 65536 bytes at most" in found["msg"]
        assert [path for path in run_folder.rglob("*.tar.gz") if path.is_file()] == []

    @pytest.mark.parametrize("check_mode", [False, True])
    def test_it_is_sent_to_the_host_that_needs_it(self, check_mode: bool) -> None:
        copies = Builder().asked(wanted={"shop": ID})["copies"]
        task = SimpleNamespace(args={"applications": [], "copies": copies}, async_val=0, check_mode=check_mode)
        made = wsgi_venv.ActionModule(task, MagicMock(), MagicMock(), MagicMock(), MagicMock(), MagicMock())
        made._connection._shell.tmpdir = "/remote"
        made._connection._shell.join_path = lambda *parts: "/".join(parts)
        made._transfer_file, given = MagicMock(), {}
        made._execute_module = lambda _, options, **__: given.update(options) or {"changed": True}
        made.run(None, {"inventory_hostname": "web2"})
        if check_mode:
            assert given["copies"] == {}
            return
        made._transfer_file.assert_called_once_with(copies["shop"]["file"], "/remote/shop.tar.gz")
        kept = {key: copies["shop"][key] for key in ("id", "sha256", "builder")}
        assert given["copies"] == {"shop": {**kept, "path": "/remote/shop.tar.gz"}}
