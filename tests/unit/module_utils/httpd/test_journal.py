# SPDX-License-Identifier: Apache-2.0
"""Whenever a change is killed, the tree is the old one or the new one afterwards, and can be brought to either."""

from __future__ import annotations

import fcntl
import json
import os
import shutil
import stat
import subprocess
import sys
from pathlib import Path

import pytest
from ansible_collections.modwsgi.deploy.plugins.module_utils.httpd import journal
from ansible_collections.modwsgi.deploy.plugins.module_utils.httpd.journal import Edit, Journal, JournalError
from support.killing import each_moment, killed_at

Tree = dict[str, tuple[object, ...]]


class Host:
    """A tree, and a state directory with its journal."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self.tree = directory / "etc"
        self.journal = Journal(str(directory / "state"))

    def fresh(self) -> None:
        """As it is before any change."""
        for folder in (self.tree, self.directory / "state"):
            shutil.rmtree(folder, ignore_errors=True)
        self.tree.mkdir()
        (self.directory / "state").mkdir()
        (self.tree / "changed.conf").write_text("old\n")
        (self.tree / "changed.conf").chmod(0o640)
        (self.tree / "removed.conf").write_text("removed\n")
        (self.tree / "link").symlink_to("changed.conf")
        (self.tree / "removed-link").symlink_to("nowhere")
        (self.tree / "folder").mkdir(mode=0o755)
        (self.tree / "empty").mkdir(mode=0o711)
        (self.tree / "theirs").write_text("theirs\n")
        for path in self.tree.iterdir():
            os.utime(path, (1, 1), follow_symlinks=False)

    def at(self, name: str) -> str:
        return str(self.tree / name)

    def first(self) -> list[Edit]:
        """A step with an edit of each kind."""
        return [
            Edit(self.at("folder"), journal.DIRECTORY, mode=0o700),
            Edit(self.at("made"), journal.DIRECTORY, mode=0o711),
            Edit(self.at("changed.conf"), journal.WRITE, b"new\n", mode=0o600),
            Edit(self.at("deep/er/new.conf"), journal.WRITE, b"new\n"),
            Edit(self.at("copy"), journal.COPY, target=self.at("theirs")),
            Edit(self.at("link"), journal.LINK, target="deep/er/new.conf"),
            Edit(self.at("new-link"), journal.LINK, target="theirs"),
            Edit(self.at("removed.conf"), journal.REMOVE),
            Edit(self.at("removed-link"), journal.REMOVE),
            Edit(self.at("empty"), journal.REMOVE),
        ]

    def second(self) -> list[Edit]:
        """A step on top of it, which changes and removes some of the same paths."""
        return [
            Edit(self.at("changed.conf"), journal.WRITE, b"newer\n"),
            Edit(self.at("removed.conf"), journal.WRITE, b"again\n"),
            Edit(self.at("deep/er/new.conf"), journal.REMOVE),
            Edit(self.at("link"), journal.LINK, target="theirs"),
        ]

    def change(self) -> None:
        """Both steps."""
        self.journal.begin()
        self.journal.apply(self.first(), "reload", {"name": "first"})
        self.journal.apply(self.second(), "restart", {"name": "second"})

    def now(self) -> Tree:
        """The tree: kinds, contents, targets, modes, owners and times."""
        found: Tree = {}
        for path in sorted(self.tree.rglob("*")):
            status = path.lstat()
            kept = (oct(status.st_mode), status.st_uid, status.st_gid)
            if path.is_symlink():
                found[str(path)] = (*kept, str(path.readlink()))
            elif path.is_dir():
                found[str(path)] = kept
            else:
                found[str(path)] = (*kept, path.read_bytes(), status.st_mtime_ns if path.name != "copy" else 0)
        return found

    def content(self) -> dict[str, tuple[object, ...]]:
        """The tree without times and without what is kept for the way back."""
        return {path: value[:4] for path, value in self.now().items() if not Path(path).name.endswith("~")}

    def left(self) -> list[str]:
        """What of the journal is still there."""
        kept = [str(path) for path in self.tree.rglob(".*")]
        return kept + [str(path) for path in (self.directory / "state").iterdir() if path.name != "turn"]


@pytest.fixture(name="host")
def fixture_host(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Host:
    # A kill takes nothing from the kernel: to wait for the disk would prove nothing, and is most of the time.
    monkeypatch.setattr(os, "fsync", lambda _: None)
    host = Host(tmp_path)
    host.fresh()
    return host


@pytest.fixture(name="stages")
def fixture_stages(host: Host) -> list[Tree]:
    """The tree before, between and after the two steps."""
    found = [host.content()]
    host.journal.begin()
    host.journal.apply(host.first(), "reload")
    found.append(host.content())
    host.journal.apply(host.second(), "restart")
    found.append(host.content())
    assert len({str(stage) for stage in found}) == 3
    host.fresh()
    return found


def test_a_change_that_is_proven_leaves_nothing_but_itself(host: Host) -> None:
    host.change()
    assert host.journal.open
    host.journal.commit({"by": "this"})
    assert not host.journal.open
    assert (host.tree / "changed.conf").read_text() == "newer\n"
    assert host.journal.proven() == {"by": "this"}
    assert host.left() == [str(host.directory / "state" / "proven.json")]


def test_what_was_before_the_first_step_is_found(host: Host) -> None:
    host.change()
    assert Path(host.journal.before(host.at("changed.conf"))).read_text() == "old\n"
    assert host.journal.before(host.at("theirs")) == host.at("theirs")
    assert not Path(host.journal.before(host.at("deep/er/new.conf"))).exists()


def test_a_change_that_fails_comes_back_to_the_same_files(host: Host) -> None:
    before, inode = host.now(), (host.tree / "changed.conf").stat().st_ino
    host.change()
    host.journal.undo_all()
    assert host.journal.returning() == {"action": "restart", "notes": [{"name": "first"}, {"name": "second"}]}
    host.journal.close()
    assert host.now() == before
    assert (host.tree / "changed.conf").stat().st_ino == inode
    assert host.left() == []


@pytest.mark.slow
def test_killed_at_any_moment_the_tree_is_that_before_or_after_a_step(host: Host, stages: list[Tree]) -> None:
    moments = 0

    def prepare():  # type: ignore[no-untyped-def]
        host.fresh()
        return host.change

    seen = set()
    for moments in each_moment(prepare):  # noqa: B007 - counted
        host.journal.settle()
        seen.add(stages.index(host.content()))  # ValueError: half of one, half of another
        host.journal.settle()  # a second time does nothing
        if host.journal.open:
            host.journal.undo_all()
            host.journal.close()
        assert host.content() == stages[0]
        assert host.left() == []
    assert moments > 60
    assert seen == {0, 1, 2}


@pytest.mark.slow
def test_killed_at_any_moment_the_next_run_gets_through(host: Host, stages: list[Tree]) -> None:
    def prepare():  # type: ignore[no-untyped-def]
        host.fresh()
        return host.change

    for moment in each_moment(prepare):
        if moment % 2:
            continue
        host.journal.settle()
        done = stages.index(host.content())
        host.journal.begin()
        for edits in (host.first, host.second)[done:]:
            host.journal.apply(edits(), "reload")
        host.journal.commit()
        assert host.content() == stages[2]
        assert host.left() == []


@pytest.mark.slow
def test_killed_while_it_commits_the_change_stays(host: Host, stages: list[Tree]) -> None:
    def prepare():  # type: ignore[no-untyped-def]
        host.fresh()
        host.change()
        return lambda: host.journal.commit({"by": "this"})

    for _ in each_moment(prepare):
        proven = not host.journal.open
        host.journal.settle()
        assert host.content() == stages[2]
        if proven:
            assert host.journal.proven() == {"by": "this"}
            assert host.left() == [str(host.directory / "state" / "proven.json")]
        else:
            assert host.journal.proven() == {}


@pytest.mark.slow
def test_killed_on_the_way_back_it_goes_on(host: Host) -> None:
    before = host.now()

    def prepare():  # type: ignore[no-untyped-def]
        host.fresh()
        host.change()
        return host.journal.undo_all

    for _ in each_moment(prepare):
        if not host.journal.marked(journal.RETURNING):
            continue  # nothing was decided yet
        host.journal.settle()
        assert host.now() == before
        assert host.journal.returning()["action"] == "restart"
        host.journal.close()
        assert host.left() == []


@pytest.mark.slow
@pytest.mark.parametrize("first", range(4, 62, 5))
def test_killed_again_while_it_is_put_right(host: Host, stages: list[Tree], first: int) -> None:
    def prepare():  # type: ignore[no-untyped-def]
        host.fresh()
        killed_at(first, host.change)
        return host.journal.settle

    for _ in each_moment(prepare):
        host.journal.settle()
        assert host.content() in stages
        host.journal.undo_all()
        host.journal.close()
        assert host.content() == stages[0]
        assert host.left() == []


def test_after_a_boot_the_proven_tree_is_there(host: Host, monkeypatch: pytest.MonkeyPatch) -> None:
    before = host.now()
    host.change()
    monkeypatch.setattr(journal, "boot", lambda: "another")
    assert host.journal.interrupted
    journal.main(str(host.directory / "state"))
    assert host.now() == before
    assert [Path(path).name for path in host.left()] == []
    journal.main(str(host.directory / "state"))
    assert host.left() == [], "without a change nothing is written"


def test_a_start_within_the_same_boot_leaves_whole_steps_alone(host: Host, stages: list[Tree]) -> None:
    host.change()
    journal.main(str(host.directory / "state"))
    assert host.content() == stages[2]
    assert host.journal.open
    assert host.journal.marked(journal.ACTED), "httpd reads the new files now, so a return has to tell it"


def test_the_file_works_on_a_host_without_the_collection(host: Host, stages: list[Tree]) -> None:
    assert killed_at(20, host.change)
    assert host.journal.interrupted
    command = [sys.executable, "-I", str(journal.__file__), str(host.directory / "state")]
    subprocess.run(command, check=True)
    assert host.content() in stages
    assert not host.journal.interrupted


def test_a_step_that_fails_is_undone_and_the_earlier_one_stays(host: Host, stages: list[Tree]) -> None:
    host.journal.begin()
    host.journal.apply(host.first(), "reload")
    between = host.now()
    with pytest.raises(OSError, match=r"Not a directory|File exists"):
        host.journal.apply([*host.second(), Edit(host.at("theirs/below"), journal.WRITE)], "reload")
    assert host.now() == between
    assert [step.number for step in host.journal.steps()] == [1]
    assert host.content() == stages[1]


def test_what_others_put_into_a_folder_that_was_made_stays(host: Host) -> None:
    host.change()
    (host.tree / "made" / "theirs").write_text("theirs\n")
    host.journal.undo_all()
    assert (host.tree / "made" / "theirs").read_text() == "theirs\n"


def test_an_overlay_tells_what_would_come_back(host: Host) -> None:
    host.journal.begin()
    host.journal.apply(host.first(), "reload")
    assert host.journal.overlay() == {}
    between = Path(host.at("changed.conf")).read_text()
    for moment in range(8, 60):
        assert killed_at(moment, lambda: host.journal.apply(host.second(), "reload"))
        if Path(host.at("changed.conf")).read_text() != between:
            break
        host.journal.settle()
    overlay = host.journal.overlay()
    assert Path(overlay[host.at("changed.conf")]).read_text() == between
    assert overlay[host.at("removed.conf")] == ""
    host.journal.settle()
    assert Path(host.at("changed.conf")).read_text() == between


def test_a_damaged_journal_is_named(host: Host) -> None:
    host.change()
    (host.directory / "state/transaction/01-applied.json").write_text("{")
    with pytest.raises(JournalError, match=r"01-applied\.json cannot be read"):
        host.journal.undo_all()


def test_nobody_else_may_read_it(host: Host) -> None:
    host.change()
    folder = host.directory / "state" / "transaction"
    assert folder.stat().st_mode & 0o777 == 0o700
    assert {path.stat().st_mode & 0o777 for path in folder.iterdir()} == {0o600}
    assert json.loads((folder / "begun.json").read_text())["boot"] == journal.boot()


def test_nobody_else_can_hold_a_run_up(tmp_path: Path) -> None:
    """Also a lock on a file that one may only read counts; that of an earlier version could be read by all."""
    (tmp_path / "lock").touch()
    with journal.locked(str(tmp_path)), (tmp_path / journal.TURN).open() as turn:
        assert stat.S_IMODE(os.fstat(turn.fileno()).st_mode) == 0o600
        with pytest.raises(BlockingIOError):
            fcntl.flock(turn, fcntl.LOCK_EX | fcntl.LOCK_NB)
    assert os.listdir(tmp_path) == [journal.TURN]


def test_who_has_the_turn_goes_on_and_nobody_else(tmp_path: Path) -> None:
    with journal.locked(str(tmp_path)):
        with journal.locked(str(tmp_path)), journal.locked(str(tmp_path), wait=False):
            pass
        with (tmp_path / journal.TURN).open() as turn, pytest.raises(BlockingIOError):
            fcntl.flock(turn, fcntl.LOCK_EX | fcntl.LOCK_NB)
    with (tmp_path / journal.TURN).open() as turn:
        fcntl.flock(turn, fcntl.LOCK_EX | fcntl.LOCK_NB)
        with pytest.raises(journal.BusyError, match="in progress"), journal.locked(str(tmp_path), wait=False):
            pytest.fail("somebody else has the turn")
