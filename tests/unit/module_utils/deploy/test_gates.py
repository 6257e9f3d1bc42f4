# SPDX-License-Identifier: Apache-2.0
"""An application's code is closed to the accounts of others, whatever is behind the gate; httpd passes."""

from __future__ import annotations

import errno
import os
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from ansible_collections.modwsgi.deploy.plugins.module_utils.deploy import gates
from ansible_collections.modwsgi.deploy.plugins.module_utils.deploy.gates import Gate, admitted

pytestmark = pytest.mark.root("acts as other accounts")
APPLICATION, OTHER, HTTPD, BUILDER, FRIEND = range(54100, 54105)
"""User and group ids that nothing on the machine has."""


@pytest.fixture(name="releases")
def fixture_releases() -> Iterator[Path]:
    """As an earlier version has left them: open to all."""
    with tempfile.TemporaryDirectory(prefix="modwsgi-test-") as folder:
        os.chmod(folder, 0o755)
        release = Path(folder, "releases", "1")
        (release / "static").mkdir(parents=True)
        (release / "static" / "style.css").write_text("open")
        (release / "local_secrets.py").write_text("closed")
        (release / "local_secrets.py").chmod(0o640)
        yield release.parent


def gate(releases: Path, gid: int = APPLICATION) -> Gate:
    return Gate(str(releases), gid, [HTTPD], [HTTPD, BUILDER])


def reads(account: int, path: Path) -> bool:
    """Whether an account reads a file, or lists a folder."""
    child = os.fork()
    if not child:
        os.setgroups([])
        os.setresgid(account, account, account)
        os.setresuid(account, account, account)
        os._exit(0 if os.access(path, os.R_OK) else 1)
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0


def readers(path: Path) -> set[int]:
    return {account for account in (APPLICATION, OTHER, HTTPD, BUILDER, FRIEND) if reads(account, path)}


def test_no_other_account_comes_to_the_code(releases: Path) -> None:
    release = releases / "1"
    assert OTHER in readers(release / "static" / "style.css")
    gate(releases).set()
    assert readers(release / "static" / "style.css") == {APPLICATION, HTTPD}
    assert readers(release / "local_secrets.py") == {APPLICATION}
    assert readers(releases) == {APPLICATION}
    found = releases.stat()
    assert (found.st_uid, found.st_gid, found.st_mode & 0o7777) == (0, APPLICATION, 0o750)


def test_a_second_time_nothing_is_changed(releases: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert not gate(releases).is_as_wanted()
    gate(releases).set()
    assert gate(releases).is_as_wanted()
    monkeypatch.setattr(gates, "_write", lambda *_: pytest.fail("changed"))
    gate(releases).set()


@pytest.mark.parametrize("mode", [0o755, 0o700])
def test_what_somebody_has_changed_is_put_right(releases: Path, mode: int) -> None:
    gate(releases).set()
    releases.chmod(mode)
    assert not gate(releases).is_as_wanted()
    gate(releases).set()
    assert readers(releases / "1" / "static" / "style.css") == {APPLICATION, HTTPD}


def test_another_group_gets_all_that_is_roots(releases: Path) -> None:
    """The closed files of an earlier group; nothing of an account that just builds or prepares there."""
    torso = releases / "2"
    (torso / "of-the-builder").mkdir(parents=True)
    for path in (torso, torso / "of-the-builder"):
        os.chown(path, BUILDER, BUILDER)
    gate(releases, OTHER).set()
    gate(releases).set()
    assert readers(releases / "1" / "local_secrets.py") == {APPLICATION}
    assert [path.stat().st_gid for path in (torso, torso / "of-the-builder")] == [BUILDER, BUILDER]


def test_whom_the_operator_lets_through_stays(releases: Path) -> None:
    gate(releases).set()
    descriptor = os.open(releases, os.O_RDONLY)
    found = gates.access_list(descriptor)
    assert found
    gates._write(descriptor, gates._with_mask({**found, (gates.USER, FRIEND): 5}))
    os.close(descriptor)
    assert gate(releases).is_as_wanted()
    assert not gate(releases, OTHER).is_as_wanted()
    gate(releases, OTHER).set()
    assert readers(releases / "1" / "static" / "style.css") == {OTHER, HTTPD, FRIEND}


def test_a_builder_comes_through_while_it_builds(releases: Path) -> None:
    style = releases / "1" / "static" / "style.css"
    gate(releases).set()
    with admitted(str(releases), BUILDER):
        assert readers(style) == {APPLICATION, HTTPD, BUILDER}
    assert readers(style) == {APPLICATION, HTTPD}
    assert gate(releases).is_as_wanted()


def test_a_builder_that_a_killed_run_has_let_in_is_shut_out(releases: Path) -> None:
    gate(releases).set()
    with admitted(str(releases), BUILDER):
        assert not gate(releases).is_as_wanted()
        gate(releases).set()
        assert not reads(BUILDER, releases / "1" / "static" / "style.css")


class TestWithoutAccessLists:
    """A file system that has none, as NFS, or ZFS without acltype."""

    @pytest.fixture(autouse=True)
    def fixture_without(self, monkeypatch: pytest.MonkeyPatch) -> None:
        def refuse(*_: object) -> bytes:
            raise OSError(errno.ENOTSUP, "Operation not supported")

        monkeypatch.setattr(os, "getxattr", refuse)
        monkeypatch.setattr(os, "setxattr", refuse)

    def test_all_pass_where_httpd_has_to(self, releases: Path) -> None:
        """What the source closes stays closed."""
        gate(releases).set()
        assert gate(releases).is_as_wanted()
        assert gate(releases).is_open_to_all()
        assert readers(releases / "1" / "static" / "style.css") == {APPLICATION, OTHER, HTTPD, BUILDER, FRIEND}
        assert readers(releases / "1" / "local_secrets.py") == {APPLICATION}
        assert readers(releases) == {APPLICATION}

    def test_none_passes_where_httpd_is_in_the_group(self, releases: Path) -> None:
        alone = Gate(str(releases), HTTPD, [], [HTTPD, BUILDER])
        alone.set()
        assert alone.is_as_wanted()
        assert not alone.is_open_to_all()
        assert readers(releases / "1" / "static" / "style.css") == {HTTPD}
        with admitted(str(releases), BUILDER):
            assert reads(BUILDER, releases / "1" / "static" / "style.css")
        assert readers(releases / "1" / "static" / "style.css") == {HTTPD}
