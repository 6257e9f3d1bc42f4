# SPDX-License-Identifier: Apache-2.0
"""A set of files goes live together or not at all, and nothing of others is touched."""

from __future__ import annotations

import errno
import getpass
import grp
import json
import os
import shutil
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.modwsgi.deploy.plugins.module_utils.httpd import apparmor, config, pending, processes
from ansible_collections.modwsgi.deploy.plugins.module_utils.httpd.file_sets.model import TransactionError, checked_sets
from ansible_collections.modwsgi.deploy.plugins.module_utils.httpd.file_sets.stage import Transaction
from ansible_collections.modwsgi.deploy.plugins.module_utils.httpd.journal import Journal
from support import instances
from support.killing import each_moment

# Refuses a server root that has BROKEN in an enabled file, as httpd would: with the file's path and a status.
CONTROL = """#!/bin/sh
root="$2"
file=$(grep -l -r BROKEN "$root"/conf-enabled/ "$root"/apache2.conf 2>/dev/null | head -n 1)
for link in "$root"/conf-enabled/*; do
    [ -e "$link" ] && grep -q BROKEN "$link" && file="$link"
done
[ -z "$file" ] && { echo "Syntax OK"; exit 0; }
echo "AH00526: Syntax error on line 1 of $file:"
echo "Invalid command 'BROKEN'"
echo "Action '-d $root -t' failed."
exit 1
"""


class Host:
    """A host in a folder."""

    def __init__(self, directory: Path) -> None:
        self.root = directory / "etc" / "apache2"
        for name in ("conf-available", "conf-enabled", "mods-available", "mods-enabled"):
            (self.root / name).mkdir(parents=True)
        (self.root / "apache2.conf").write_text("Include conf-enabled/*.conf\n")
        (self.root / "mods-available" / "alias.load").write_text("LoadModule alias\n")
        self.control = directory / "control"
        self.control.write_text(CONTROL)
        self.control.chmod(0o755)
        self.instance = instances.below(directory, server_root="etc/apache2", control="control")
        self.directory = directory

    def run(
        self,
        *files: dict[str, Any],
        owner: str = "httpd",
        check: bool = False,
        **together_with: list[dict[str, Any]],
    ) -> dict[str, Any]:
        others = {name: self.complete(*entries) for name, entries in together_with.items()}
        return config.run(self.instance, {**others, owner: self.complete(*files)}, {}, check)

    def complete(self, *files: dict[str, Any]) -> list[dict[str, Any]]:
        """The files, as they belong to the account of the test."""
        mine = {"owner": getpass.getuser(), "group": grp.getgrgid(os.getgid()).gr_name}
        return [{**mine, **entry} for entry in files]

    def tree(self) -> dict[str, str]:
        """Everything below etc."""
        found = {}
        for path in sorted((self.directory / "etc").rglob("*")):
            if path.is_symlink():
                found[str(path)] = f"-> {path.readlink()}"
            else:
                found[str(path)] = path.read_text() if path.is_file() else "/"
        return found

    def runs(self) -> None:
        """Let httpd run: this process plays it."""
        Path(self.instance["pid_file"]).write_text(str(os.getpid()))
        self.instance["binary"] = processes.executable(os.getpid())


@pytest.fixture(name="host")
def fixture_host(tmp_path: Path) -> Host:
    return Host(tmp_path)


A = {"path": "conf-available/a.conf", "content": "A 1\n"}
A_LINK = {"path": "conf-enabled/a.conf", "link": "../conf-available/a.conf"}


def test_the_first_run_puts_everything_in_place_and_the_second_changes_nothing(host: Host) -> None:
    outside = {"path": str(host.directory / "etc/tmpfiles.d/x.conf"), "content": "d\n", "mode": "0600"}
    first = host.run(A, A_LINK, outside)
    assert (first["changed"], first["action"]) == (True, "reload")
    assert (host.root / "conf-enabled/a.conf").read_text() == "A 1\n"
    assert Path(outside["path"]).stat().st_mode & 0o777 == 0o600
    before = host.tree()
    second = host.run(A, A_LINK, outside)
    assert (second["changed"], second["action"], second["changes"], second["diff"]) == (False, "none", [], [])
    assert host.tree() == before


def test_a_configuration_that_httpd_refuses_leaves_the_live_tree_untouched(host: Host) -> None:
    host.run(A, A_LINK)
    before = host.tree()
    with pytest.raises(TransactionError) as refusal:
        host.run({**A, "content": "BROKEN\n"}, A_LINK, {"path": "conf-available/b.conf", "content": "B\n"})
    assert host.tree() == before
    assert str(refusal.value) == (
        "httpd refuses the configuration of httpd, so nothing was changed: AH00526: Syntax error on line 1 of "
        f"{host.root}/conf-enabled/a.conf: Invalid command 'BROKEN'"
    )
    assert host.run(A, A_LINK)["changed"] is False


def test_a_live_configuration_that_was_broken_before_is_named(host: Host) -> None:
    (host.root / "conf-enabled/theirs.conf").write_text("BROKEN\n")
    with pytest.raises(TransactionError, match="the live configuration does not pass the test either"):
        host.run(A)


def test_a_staged_copy_that_an_aborted_run_has_left_is_removed(host: Host) -> None:
    stale = Path(host.instance["volatile_directory"]) / "staged-old"
    stale.mkdir(parents=True)
    host.run(A)
    assert not stale.exists()


def test_a_server_root_named_in_the_main_file_does_not_bypass_the_test(host: Host) -> None:
    host.control.write_text(
        '#!/bin/sh\ngrep -q "ServerRoot \\"$2\\"" "$2/apache2.conf" && exit 0\necho "tested the live tree"; exit 1\n'
    )
    (host.root / "apache2.conf").write_text(f'ServerRoot "{host.root}"\n')
    host.run(A)
    assert (host.root / "apache2.conf").read_text() == f'ServerRoot "{host.root}"\n'


def test_check_mode_predicts_and_writes_nothing(host: Host) -> None:
    before = host.tree()
    predicted = host.run(A, A_LINK, check=True)
    assert host.tree() == before
    assert not Path(host.instance["state_directory"]).exists()
    done = host.run(A, A_LINK)
    assert {key: predicted[key] for key in ("changed", "action", "changes", "diff")} == {
        key: done[key] for key in ("changed", "action", "changes", "diff")
    }


def test_check_mode_works_on_a_host_without_httpd_and_without_the_user(host: Host) -> None:
    host.instance["server_root"] = str(host.directory / "nothing")
    host.instance["control"] = str(host.directory / "nowhere")
    module = {"path": "mods-enabled/alias.load", "link": "../mods-available/alias.load"}
    result = host.run({**A, "owner": "not-created-yet"}, module, check=True)
    assert result["changed"] is True


def test_without_httpd_the_configuration_is_refused(host: Host) -> None:
    host.instance["control"] = str(host.directory / "nowhere")
    with pytest.raises(TransactionError, match="install the web server first"):
        host.run(A)


def test_the_diff_shows_both_sides_but_no_secret(host: Host) -> None:
    host.run(A, {"path": "conf-available/s.conf", "content": "secret 1\n"})
    diff = host.run(
        {**A, "content": "A 2\n"}, {"path": "conf-available/s.conf", "content": "secret 2\n", "sensitive": True}
    )["diff"]
    assert (diff[0]["before"], diff[0]["after"]) == ("A 1\n", "A 2\n")
    assert "secret" not in json.dumps(diff[1])


def test_what_the_owner_no_longer_lists_is_removed(host: Host) -> None:
    host.run(A, A_LINK, {"path": "conf-available/b.conf", "content": "B\n"})
    result = host.run({"path": "conf-available/b.conf", "content": "B\n"})
    assert result["changed"] is True
    assert result["action"] == "reload"
    assert not os.path.lexists(host.root / "conf-enabled/a.conf")
    assert not (host.root / "conf-available/a.conf").exists()
    assert (host.root / "conf-available/b.conf").exists()


def test_a_foreign_file_is_refused_and_stays(host: Host) -> None:
    foreign = host.root / "conf-available/a.conf"
    foreign.write_text("theirs\n")
    with pytest.raises(TransactionError, match=r"a\.conf exists already and was not written by httpd"):
        host.run(A)
    assert foreign.read_text() == "theirs\n"


def test_a_foreign_file_is_not_removed_either(host: Host) -> None:
    foreign = host.root / "conf-enabled/theirs.conf"
    foreign.write_text("theirs\n")
    with pytest.raises(TransactionError, match="exists already"):
        host.run({"path": "conf-enabled/theirs.conf", "absent": True})
    assert foreign.read_text() == "theirs\n"


def test_a_file_of_the_distribution_is_adopted_and_comes_back(host: Host) -> None:
    ports = host.root / "ports.conf"
    ports.write_text("Listen 80\n")
    ports.chmod(0o640)
    default = host.root / "conf-enabled/security.conf"
    default.symlink_to("../conf-available/security.conf")
    mine = {"path": "ports.conf", "content": "Listen 81\n", "adopt": True}
    gone = {"path": "conf-enabled/security.conf", "absent": True, "adopt": True}
    host.run(mine, gone)
    assert ports.read_text() == "Listen 81\n"
    assert not default.is_symlink()
    host.run({**mine, "content": "Listen 82\n"}, gone)
    assert host.run()["changed"] is True
    assert ports.read_text() == "Listen 80\n"
    assert ports.stat().st_mode & 0o777 == 0o640
    assert str(default.readlink()) == "../conf-available/security.conf"
    assert host.run()["changed"] is False


def test_what_others_put_where_the_owner_had_removed_something_stays(host: Host) -> None:
    path = host.root / "conf-enabled/security.conf"
    path.write_text("distribution\n")
    host.run({"path": "conf-enabled/security.conf", "absent": True, "adopt": True})
    path.write_text("theirs\n")
    assert host.run()["changed"] is False
    assert path.read_text() == "theirs\n"


def test_a_path_belongs_to_one_owner(host: Host) -> None:
    host.run(A)
    with pytest.raises(TransactionError, match=r"already belongs to the owner httpd, so mod_wsgi cannot write it"):
        host.run(A, owner="mod_wsgi")
    host.run({"path": "conf-available/b.conf", "content": "B\n"}, owner="mod_wsgi")
    assert (host.root / "conf-available/a.conf").exists()


def test_a_link_without_a_target_is_refused_or_left_out(host: Host) -> None:
    load = {"path": "mods-enabled/alias.load", "link": "../mods-available/alias.load"}
    conf = {"path": "mods-enabled/alias.conf", "link": "../mods-available/alias.conf"}
    with pytest.raises(TransactionError, match="which does not exist; correct the name"):
        host.run(load, conf)
    assert host.run(load, {**conf, "optional": True})["changes"] == [
        f"link {host.root}/mods-enabled/alias.load -> ../mods-available/alias.load"
    ]
    assert host.run(load, {**conf, "optional": True})["changed"] is False


def test_a_directory_is_made_and_only_an_empty_one_is_removed(host: Host) -> None:
    entry = {"path": str(host.directory / "etc/run"), "directory": True, "mode": "0711"}
    assert host.run(entry)["action"] == "none"
    assert Path(entry["path"]).stat().st_mode & 0o777 == 0o711
    assert host.run(entry)["changed"] is False
    (Path(entry["path"]) / "theirs").write_text("")
    assert host.run()["changed"] is False
    assert (Path(entry["path"]) / "theirs").exists()


def test_a_log_is_there_before_httpd_opens_it_and_one_of_earlier_is_mended(host: Host) -> None:
    """httpd makes its logs for all to read."""
    folder = host.directory / "log"
    folder.mkdir()
    logs = {name: folder / name for name in ("shop-error.log", "shop-error.log.1", "shop-access.log", "linked.log")}
    for name in ("shop-error.log", "shop-error.log.1"):
        logs[name].write_text("a line\n")
        logs[name].chmod(0o644)
    logs["linked.log"].symlink_to("shop-error.log.1")
    files = [A, *({"path": str(logs[name]), "log": True} for name in logs if not name.endswith(".1"))]
    inode = logs["shop-error.log"].stat().st_ino
    predicted = host.run(*files, check=True)
    assert predicted["changed"]
    assert not logs["shop-access.log"].exists()
    done = host.run(*files)
    assert done["changes"] == predicted["changes"]
    assert [change.replace(f"{folder}/", "") for change in done["changes"][1:]] == [
        "correct the access to the log shop-error.log",
        "correct the access to the log shop-error.log.1",
        "create the log shop-access.log",
    ]
    assert {name: oct(path.stat().st_mode & 0o7777) for name, path in logs.items()} == dict.fromkeys(logs, "0o640")
    assert (logs["shop-error.log"].read_text(), logs["shop-error.log"].stat().st_ino) == ("a line\n", inode)
    assert host.run(*files)["changed"] is False
    assert host.run(A)["changed"] is False, "logs stay when nobody lists them any more"
    logs["shop-error.log"].chmod(0o644)
    mended = host.run(*files)
    assert (mended["changed"], mended["action"]) == (True, "none")
    assert mended["changes"] == [f"correct the access to the log {logs['shop-error.log']}"]


def test_no_log_is_touched_when_httpd_refuses_the_configuration(host: Host) -> None:
    log = host.directory / "shop-error.log"
    host.run(A, A_LINK)
    with pytest.raises(TransactionError):
        host.run({**A, "content": "BROKEN\n"}, A_LINK, {"path": str(log), "log": True})
    assert not log.exists()


def test_mode_alone_is_a_change(host: Host) -> None:
    host.run(A)
    assert host.run({**A, "mode": "0600"})["changed"] is True
    assert (host.root / "conf-available/a.conf").stat().st_mode & 0o777 == 0o600


@pytest.mark.parametrize(
    ("entry", "message"),
    [
        ({"path": "x"}, "needs exactly one of"),
        ({"path": "x", "content": "", "absent": True}, "needs exactly one of"),
        ({"path": "x", "content": "", "mode": "rw"}, "is not octal"),
        ({"path": "x", "content": "", "owner": "no-such-user"}, "The user no-such-user, who is to own"),
    ],
)
def test_a_contradictory_entry_is_refused(host: Host, entry: dict[str, Any], message: str) -> None:
    with pytest.raises(TransactionError, match=message):
        host.run(entry)


def test_a_path_listed_twice_is_refused(host: Host) -> None:
    with pytest.raises(TransactionError, match="is listed twice"):
        host.run(A, {**A, "path": "conf-available/../conf-available/a.conf"})


def test_the_strongest_action_wins(host: Host) -> None:
    other = {"path": "conf-available/b.conf", "content": "B\n", "action": "restart"}
    assert host.run(A, other)["action"] == "restart"
    assert host.run({**A, "content": "A 2\n"}, other)["action"] == "reload"


def test_the_action_of_an_aborted_run_is_reported_until_it_is_done(host: Host) -> None:
    host.runs()
    host.run({**A, "action": "restart"})
    host.run({**A, "content": "A 2\n"})
    again = host.run({**A, "content": "A 2\n"})
    assert (again["changed"], again["action"], again["changes"]) == (True, "restart", [])
    pending.clear(host.instance)
    assert host.run({**A, "content": "A 2\n"})["changed"] is False


def test_a_server_that_was_started_since_needs_no_action(host: Host) -> None:
    host.runs()
    host.run(A)
    Path(host.instance["pid_file"]).unlink()
    assert host.run(A)["changed"] is False


def test_a_damaged_manifest_is_named(host: Host) -> None:
    host.run(A)
    manifest = Path(host.instance["state_directory"]) / "manifests/httpd.json"
    manifest.write_text("{")
    with pytest.raises(TransactionError, match=r"httpd\.json is damaged"):
        host.run(A)


def test_a_lost_manifest_is_found_again(host: Host) -> None:
    host.run(A, A_LINK)
    (Path(host.instance["state_directory"]) / "manifests/httpd.json").unlink()
    assert host.run(A, A_LINK)["changed"] is False
    assert host.run()["changed"] is True
    assert not (host.root / "conf-available/a.conf").exists()


def test_nothing_is_left_beside_the_files(host: Host) -> None:
    host.run(A, A_LINK)
    host.run({**A, "content": "A 2\n"}, A_LINK)
    Journal(host.instance["state_directory"]).commit()
    assert not [path for path in host.tree() if Path(path).name.startswith(".")]


def test_planning_alone_reads_only(host: Host) -> None:
    before = host.tree()
    Transaction(host.instance, {"httpd": [A]}, predict=True)
    assert host.tree() == before


B = {"path": "conf-available/b.conf", "content": "B 1\n"}
B_LINK = {"path": "conf-enabled/b.conf", "link": "../conf-available/b.conf"}


def test_sets_of_several_owners_go_live_together(host: Host) -> None:
    done = host.run(B, B_LINK, owner="wsgi_app", httpd=[A, A_LINK], mod_wsgi=[])
    assert [line.partition(" ")[0] for line in done["changes"]] == ["write", "write", "link", "link"]
    assert done["unproven"] is True
    assert len(Journal(host.instance["state_directory"]).steps()) == 1
    assert host.run(A, A_LINK)["changes"] == []
    assert host.run(B, B_LINK, owner="wsgi_app", httpd=[A, A_LINK])["changes"] == []


def test_check_mode_predicts_them_together(host: Host) -> None:
    before = host.tree()
    predicted = host.run(B, owner="wsgi_app", check=True, httpd=[A])
    assert len(predicted["changes"]) == 2
    assert host.tree() == before


@pytest.mark.parametrize(
    ("parser", "sentence"),
    [
        (
            "#!/bin/sh\necho 'AppArmor parser error at line 3: syntax error'\nexit 1\n",
            "AppArmor refuses the profile, so "
            "nothing was changed: AppArmor parser error at line 3: syntax error; correct httpd_apparmor_rules.",
        ),
        ("", "{parser} is missing, so the profile of httpd_apparmor cannot be read; install apparmor."),
    ],
)
def test_a_profile_that_apparmor_refuses_changes_nothing(
    host: Host, monkeypatch: pytest.MonkeyPatch, parser: str, sentence: str
) -> None:
    program, profile = host.directory / "apparmor_parser", host.directory / "profile"
    monkeypatch.setattr(apparmor, "PARSER", str(program))
    host.instance["apparmor_file"] = str(profile)
    wanted = {"path": str(profile), "content": "profile x {}\n"}
    if parser:
        program.write_text(parser)
        program.chmod(0o755)
    with pytest.raises(TransactionError) as refusal:
        host.run(A, A_LINK, wanted)
    assert str(refusal.value) == sentence.format(parser=program)
    assert not (host.root / A["path"]).exists()
    program.write_text('#!/bin/sh\n[ "$*" = "--skip-kernel-load --skip-cache" ] && grep -q "profile x"\n')
    program.chmod(0o755)
    host.run(A, A_LINK, wanted)
    assert profile.read_text() == "profile x {}\n"


def test_none_of_them_goes_live_when_httpd_refuses_one(host: Host) -> None:
    before = host.tree()
    with pytest.raises(
        TransactionError, match="refuses the configuration of httpd and wsgi_app, so nothing was changed"
    ):
        host.run({**B, "content": "BROKEN\n"}, B_LINK, owner="wsgi_app", httpd=[A, A_LINK])
    assert host.tree() == before
    assert not Journal(host.instance["state_directory"]).open


def test_a_path_moves_from_one_owner_to_another_in_one_transaction(host: Host) -> None:
    host.run(A, A_LINK)
    done = host.run({**A, "content": "A 2\n"}, owner="wsgi_app", httpd=[A_LINK])
    assert done["changes"] == [f"write {host.root}/conf-available/a.conf"]
    assert host.run(A_LINK)["changes"] == []
    assert host.run(owner="wsgi_app")["changes"] == [f"remove {host.root}/conf-available/a.conf"]


def test_a_path_in_two_sets_of_one_transaction_is_refused(host: Host) -> None:
    with pytest.raises(TransactionError, match="is listed by wsgi_app and by another owner"):
        host.run(A, owner="wsgi_app", httpd=[A])


@pytest.mark.parametrize("files", [{}, [1], [{"content": "x"}], "no set", None])
def test_what_is_no_set_is_refused(files: object) -> None:
    assert checked_sets({"httpd": [{"path": "a.conf"}]})
    with pytest.raises(
        TransactionError, match=r"^The files of the owner httpd must be a list of files; correct the task\.$"
    ):
        checked_sets({"httpd": files})


def test_a_relative_link_out_of_the_server_root_means_the_same_in_the_copy(host: Host) -> None:
    (host.root.parent / "other").mkdir()
    (host.root.parent / "other" / "theirs.conf").write_text("BROKEN\n")
    (host.root / "conf-enabled" / "theirs.conf").symlink_to("../../other/theirs.conf")
    with pytest.raises(TransactionError, match=r"theirs\.conf"):
        host.run(A)


def test_a_full_disk_while_staging_is_one_sentence_and_changes_nothing(
    host: Host, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = host.tree()

    def full(*_: object, **__: object) -> None:
        raise shutil.Error([("a", "b", f"[Errno 28] {os.strerror(errno.ENOSPC)}: 'b'")])

    monkeypatch.setattr(shutil, "copytree", full)
    folder = host.instance["volatile_directory"]
    with pytest.raises(TransactionError, match=f"The disk of {folder}, where the configuration is tested, is full, so"):
        host.run(A)
    assert host.tree() == before
    assert list(Path(folder).iterdir()) == []


def test_a_full_disk_while_the_files_are_made_changes_nothing(host: Host, monkeypatch: pytest.MonkeyPatch) -> None:
    host.run(A, A_LINK)
    Journal(host.instance["state_directory"]).commit()
    before, state = host.tree(), sorted(os.listdir(host.instance["state_directory"]))
    writes = []

    def full(descriptor: int) -> None:
        writes.append(descriptor)
        if len(writes) == 8:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(Transaction, "test", lambda _: None)
    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(OSError, match="No space left"):
        host.run({**A, "content": "A 2\n"}, B, B_LINK)
    assert host.tree() == before
    assert sorted(os.listdir(host.instance["state_directory"])) == state


@pytest.mark.slow
def test_killed_at_any_moment_it_is_put_right_by_the_next_run_or_gone_back(host: Host) -> None:
    first = (A, A_LINK, {"path": "ports.conf", "content": "Listen 81\n", "adopt": True})
    second = ({**A, "content": "A 2\n"}, A_LINK, B, B_LINK, {"path": "new/deep/c.conf", "content": "C\n"})
    root, state = host.directory / "etc", Path(host.instance["state_directory"])
    (host.root / "ports.conf").write_text("Listen 80\n")
    host.run(*first)
    journal = Journal(str(state))
    journal.commit()
    kept = host.directory / "kept"
    for folder in (root, state):
        shutil.copytree(folder, kept / folder.name, symlinks=True)
    old = host.tree()

    def prepare() -> Callable[[], object]:
        for folder in (root, state):
            shutil.rmtree(folder)
            shutil.copytree(kept / folder.name, folder, symlinks=True)
        return lambda: host.run(*second)

    prepare()()
    journal.commit()
    new = host.tree()
    assert (host.root / "ports.conf").read_text() == "Listen 80\n"
    moments = 0
    for moments in each_moment(prepare):
        if moments % 5 == 0:
            predicted = host.run(*second, check=True)
            assert host.run(*second)["changes"] == predicted["changes"]
            journal.commit()
            assert host.tree() == new
        else:
            journal.settle()
            whole = journal.open
            journal.undo_all()
            journal.close()
            assert host.tree() == old
            assert sorted(os.listdir(state / "originals")) == sorted(os.listdir(kept / "state" / "originals"))
            assert not whole or moments > 50, "there is no whole step so early"
        assert sorted(os.listdir(state)) == ["manifests", "originals", "turn"]
    assert moments > 100


class Left:
    """Leaves what has an ``a`` in its name, unless it is ``problematic``."""

    problematic = ""

    def stays(self, path: str) -> bool:
        return Path(path).name == "a.conf"

    def problem(self, paths: Iterable[str]) -> str:
        return self.problematic and f"{self.problematic} {len(list(paths))}"

    def waiting(self, paths: Iterable[str]) -> list[str]:
        return [f"{len(list(paths))} wait."]


def test_what_is_left_stays_with_its_place_in_the_manifest(host: Host, monkeypatch: pytest.MonkeyPatch) -> None:
    b = {"path": "conf-available/b.conf", "content": "B 1\n"}
    manifest = Path(host.instance["state_directory"]) / "manifests/httpd.json"

    def run(*files: dict[str, Any], check: bool = False) -> dict[str, Any]:
        return config.run(host.instance, {"httpd": host.complete(*files)}, {}, check, Left())

    # One that is not there yet does not come.
    assert run(A, A_LINK, b)["changes"] == [f"write {host.root}/conf-available/b.conf"]
    assert list(json.loads(manifest.read_text())["files"]) == [f"{host.root}/conf-available/b.conf"]
    host.run(A, A_LINK, b)
    before, listed = host.tree(), manifest.read_text()
    # One that is there neither changes nor goes.
    for wanted in ([{**A, "content": "A 2\n"}, A_LINK], []):
        assert run(*wanted, b, check=True)["changes"] == run(*wanted, b)["changes"] == []
        assert (host.tree(), manifest.read_text()) == (before, listed)
    monkeypatch.setattr(Left, "problematic", "No:")
    with pytest.raises(TransactionError, match=r"^Nothing was changed: No: 2$"):
        run({**b, "content": "B 2\n"})
    assert (host.tree(), manifest.read_text()) == (before, listed)
