# SPDX-License-Identifier: Apache-2.0
"""What one host has built, others take over as if pip had made it: without trust in what is in the archive."""

from __future__ import annotations

import hashlib
import io
import os
import tarfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.modwsgi.deploy.plugins.module_utils.deploy import builder, copies
from ansible_collections.modwsgi.deploy.plugins.module_utils.deploy import venv as wsgi_venvs
from ansible_collections.modwsgi.deploy.plugins.module_utils.deploy.packages import BuildPackages
from support.building import ACCOUNT, BuildHost, build_ground, interpreter

ID = "0f122f39dd3b82d24098"


class Host(BuildHost):
    """A host that takes over what another one has built."""

    def __init__(self, folder: Path) -> None:
        super().__init__(folder)
        self.archive = folder / "shop.tar.gz"

    def make(self, **options: Any) -> dict[str, Any]:
        """The virtual environment of the application, from a copy where there is one."""
        application, parameters = self.described(options=options, build_packages=["gcc"])
        packages = BuildPackages([application], parameters)
        # A copy needs no compiler.
        packages.install = lambda _: pytest.fail("it installs what only a build needs")  # type: ignore[method-assign]
        return wsgi_venvs.virtual_environment(application, parameters, False, packages)

    @property
    def identity(self) -> str:
        """The name of its virtual environment."""
        return wsgi_venvs.identity(
            {"executable": interpreter(), "full_version": "3", "abi": "cp3"}, wsgi_venvs.Requirements({}), "r1", {}
        )

    def copy(self, **changes: Any) -> dict[str, Any]:
        """The archive, as the action hands it over."""
        total = hashlib.sha256(self.archive.read_bytes()).hexdigest()
        return {"shop": {"id": self.identity, "path": str(self.archive), "sha256": total, "builder": "web1", **changes}}


@pytest.fixture(name="host")
def fixture_host(monkeypatch: pytest.MonkeyPatch) -> Iterator[Host]:
    with build_ground(monkeypatch) as folder:
        yield Host(folder)


@pytest.fixture(name="built")
def fixture_built(host: Host) -> Path:
    """A virtual environment as another host has it."""
    path = host.folder / "built" / host.identity
    (path / "bin").mkdir(parents=True)
    (path / "lib").mkdir()
    (path / "bin" / "python").symlink_to(interpreter())
    (path / "bin" / "flask").write_text("#!/bin/sh\n")
    (path / "bin" / "flask").chmod(0o755)
    (path / "lib" / "x.py").write_text("x = 1\n")
    os.utime(path / "lib" / "x.py", (1_600_000_000, 1_600_000_000))
    (path / "lib64").symlink_to("lib")
    (path / wsgi_venvs.COMPLETE).touch()
    return path


def tree(path: Path) -> dict[str, Any]:
    """Names, modes, times and content below a folder."""
    found: dict[str, Any] = {}
    for each in sorted(path.rglob("*")):
        state = each.lstat()
        content = os.readlink(each) if each.is_symlink() else each.read_bytes() if each.is_file() else None
        plain = each.is_file() and not each.is_symlink() and each.name != wsgi_venvs.COMPLETE
        found[str(each.relative_to(path))] = (oct(state.st_mode), int(state.st_mtime) if plain else None, content)
    return found


def test_what_is_packed_is_taken_over_as_it_is(host: Host, built: Path) -> None:
    copies.pack(str(built), str(host.folder), "shop.tar.gz")
    made = host.make(copies=host.copy())
    path = Path(made["path"])
    assert made == {"id": host.identity, "path": str(host.venvs / host.identity), "changed": True}
    assert tree(path) == tree(built)
    assert {each.lstat().st_uid for each in [path, *path.rglob("*")]} == {os.geteuid()}
    assert host.left() == [host.identity]
    assert host.make(copies=host.copy())["changed"] is False


def test_an_archive_is_for_whoever_fetches_it(host: Host, built: Path) -> None:
    folder = host.folder / "remote"
    folder.mkdir()
    if os.geteuid() == 0:
        os.chown(folder, ACCOUNT, ACCOUNT)
    copies.pack(str(built), str(folder), "shop.tar.gz")
    state = (folder / "shop.tar.gz").stat()
    assert (oct(state.st_mode & 0o777), state.st_uid) == ("0o600", folder.stat().st_uid)
    with tarfile.open(folder / "shop.tar.gz") as archive:
        assert {(each.uid, each.gid, each.uname) for each in archive} == {(0, 0, "")}


def test_root_packs_into_no_file_that_is_there(host: Host, built: Path) -> None:
    precious = host.folder / "precious"
    precious.write_text("precious")
    (host.folder / "shop.tar.gz").symlink_to(precious)
    with pytest.raises(FileExistsError):
        copies.pack(str(built), str(host.folder), "shop.tar.gz")
    assert precious.read_text() == "precious"


@pytest.mark.parametrize("name", [ID, "../../etc", "", f"{ID}/.."])
def test_what_is_not_there_is_not_packed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    monkeypatch.setattr(copies, "layout", lambda _: {"venvs": str(tmp_path / "venvs")})
    (tmp_path / "venvs" / ID).mkdir(parents=True)  # a torso
    with pytest.raises(copies.CopyError, match=r"^Host web1 has no virtual environment .* which host web2 needs; let"):
        copies.pack_all({"shop": name}, str(tmp_path), "web1", "web2")
    assert [each.name for each in tmp_path.iterdir()] == ["venvs"]


def test_all_that_is_wanted_is_packed(host: Host, built: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(copies, "layout", lambda name: {"venvs": str(built.parent if name == "shop" else host.venvs)})
    assert copies.pack_all({"shop": host.identity}, str(host.folder), "web1", "web2") == ["shop"]
    assert host.archive.is_file()


def member(name: str, content: bytes = b"", **changes: Any) -> tuple[tarfile.TarInfo, io.BytesIO]:
    """A member of an archive."""
    found = tarfile.TarInfo(name)
    found.size = len(content)
    for key, value in changes.items():
        setattr(found, key, value)
    return found, io.BytesIO(content)


def pack_members(*members: tuple[tarfile.TarInfo, io.BytesIO]) -> Callable[[Host], None]:
    """What makes an archive of these."""

    def make(host: Host) -> None:
        with tarfile.open(host.archive, "w:gz") as archive:
            for info, content in members:
                archive.addfile(info, content)

    return make


LINK, FIFO = {"type": tarfile.SYMTYPE}, {"type": tarfile.FIFOTYPE}


@pytest.mark.parametrize(
    ("make", "problem"),
    [
        (pack_members(member("lib", linkname="/etc", **LINK)), "the link lib leads to nothing|lib leads to /etc"),
        (pack_members(member("lib", linkname="../..", **LINK)), "lib leads out of the tree"),
        (pack_members(member("pipe", **FIFO)), "pipe is neither a file, a folder nor a link"),
        (pack_members(member("a\nb", b"x")), "has control characters"),
        (pack_members(member("large", bytes(3_000_000))), "larger than 2000000 bytes|File too large|failed: "),
        (pack_members(*(member(f"{n}", bytes(900_000)) for n in range(3))), "it is larger than 2000000 bytes"),
        (pack_members(member("../outside", b"x")), "failed: "),
        (lambda host: host.archive.write_bytes(b"no archive"), "tar, with what host web1 has built, failed: "),
    ],
)
def test_what_no_honest_builder_sends_is_refused_and_nothing_is_left(
    host: Host, make: Callable[[Host], None], problem: str
) -> None:
    make(host)
    with pytest.raises((wsgi_venvs.VenvError, builder.BuildError), match=problem):
        host.make(copies=host.copy(), build_size=2_000_000)
    assert host.left() == []
    assert not list(host.folder.rglob("outside"))


@pytest.mark.root("gives folders away")
def test_modes_and_owners_of_an_archive_do_not_count(host: Host) -> None:
    pack_members(member("lib/x", b"x", mode=0o4777, uid=0, gid=0))(host)
    path = Path(host.make(copies=host.copy())["path"])
    state = (path / "lib" / "x").stat()
    assert (oct(state.st_mode & 0o7777), state.st_uid) == ("0o755", 0)


def test_an_archive_that_has_changed_on_its_way_is_not_opened(host: Host, built: Path) -> None:
    copies.pack(str(built), str(host.folder), "shop.tar.gz")
    with pytest.raises(wsgi_venvs.VenvError, match=r"^what has arrived of host web1 is not what it has sent \(SHA-256"):
        host.make(copies=host.copy(sha256="0" * 64))
    assert host.left() == []


def test_requirements_that_have_changed_meanwhile_get_no_other_copy(host: Host, built: Path) -> None:
    copies.pack(str(built), str(host.folder), "shop.tar.gz")
    with pytest.raises(wsgi_venvs.VenvError, match="it has changed since host web1 was asked for it"):
        host.make(copies=host.copy(id=ID))
    assert host.left() == []
