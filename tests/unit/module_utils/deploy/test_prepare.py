# SPDX-License-Identifier: Apache-2.0
"""Release commands: nothing of them is left, and what they wrote is in files that nobody else can write."""

from __future__ import annotations

import array
import contextlib
import grp
import os
import pwd
import socket
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.modwsgi.deploy.plugins.module_utils.deploy import commands, failure_log
from ansible_collections.modwsgi.deploy.plugins.module_utils.deploy import prepare as wsgi_preparation
from ansible_collections.modwsgi.deploy.plugins.module_utils.deploy import static_root as wsgi_static_root
from ansible_collections.modwsgi.deploy.plugins.module_utils.deploy.prepare import PreparationError
from ansible_collections.modwsgi.deploy.plugins.module_utils.deploy.static_root import StaticRoot
from support.applications import complete
from support.visitor import meanwhile

as_root = pytest.mark.root("changes owners")
NOBODY = pwd.getpwnam("nobody")


@pytest.fixture(name="release")
def fixture_release(tmp_path: Path) -> Path:
    for folder in (*reversed(tmp_path.parents), tmp_path):
        if folder.stat().st_mode & 0o777 == 0o700:
            folder.chmod(0o711)  # pytest's own folders are private, and the commands run as nobody
    release = tmp_path / "releases" / "1"
    release.mkdir(parents=True)
    return release


def application(*commands: str, user: str = "", **keys: Any) -> dict[str, Any]:
    user = user or pwd.getpwuid(os.geteuid()).pw_name
    group = grp.getgrgid(pwd.getpwnam(user).pw_gid).gr_name
    written = {"name": "shop", "source": {"git": "https://x/y", "version": "main"}, "server_name": "shop.example.com"}
    (found,) = complete({**written, "release_commands": [["sh", "-c", command] for command in commands]})
    return {**found, "user": user, "group": group, "paths": {**found["paths"], "state": "/tmp"}, **keys}


def test_a_command_has_the_variables_and_the_release(tmp_path: Path) -> None:
    ended = commands.run_as_application(
        application(), {"KEY": "value"}, str(tmp_path), "/venv", ["sh", "-c", 'echo "$KEY" "$PWD"; exit 3']
    )
    assert (ended.status, ended.output.split()) == (3, ["value", str(tmp_path)])


def test_what_a_command_leaves_running_ends_with_it_and_is_told(tmp_path: Path) -> None:
    shop = application("setsid sleep 1000 & setsid sleep 1000 & echo $! > pid", "true")
    told = wsgi_preparation.run_commands(shop, {}, str(tmp_path), "/venv")
    assert len(told) == 1
    assert "key release_commands: sh -c 'setsid sleep 1000" in told[0]
    assert "left 2 processes running, which were ended with it" in told[0]
    assert not Path("/proc", (tmp_path / "pid").read_text().strip()).exists()


def test_a_program_that_does_not_exist(tmp_path: Path) -> None:
    ended = commands.run_as_application(application(), {}, str(tmp_path), "/venv", ["no-such-program"])
    assert ended.status == 125
    assert "There is no program no-such-program" in ended.output


@pytest.fixture(name="logs", autouse=True)
def fixture_logs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Where the output of commands that have failed is kept."""
    monkeypatch.setattr(failure_log, "FOLDER", str(tmp_path / "logs"))
    return tmp_path / "logs"


def test_what_another_host_runs_for_the_fleet_is_left_out() -> None:
    shop = application("one", "two", "three", once=[1])
    assert [command[-1] for command in wsgi_preparation.without_once(shop)["release_commands"]] == ["one", "three"]
    assert wsgi_preparation.without_once(application("one")) == application("one")


def failure(tmp_path: Path, *commands: str, **variables: str) -> PreparationError:
    with pytest.raises(PreparationError) as error:
        wsgi_preparation.run_commands(application(*commands), variables, str(tmp_path), "/venv")
    return error.value


def test_a_failure_stops_and_is_told_without_secrets(tmp_path: Path, logs: Path) -> None:
    failed = failure(
        tmp_path, "echo ready", "echo password=$KEY on $HOST; exit 4", "touch never", KEY="a long secret", HOST="db"
    )
    message, log = str(failed), logs / "shop-release-command.log"
    assert message.startswith("wsgi_apps: application 'shop', key release_commands: sh -c ")
    assert message.endswith(
        "ended with exit status 4: password=******** on db; what was deployed before is untouched; its whole output is "
        f"in {log} on the host."
    )
    assert failed.lines == ["password=******** on db"]
    assert log.read_text() == "password=******** on db\n"
    assert log.stat().st_mode & 0o777 == 0o640, "the application's own group reads what it has said"
    assert not (tmp_path / "never").exists()
    wsgi_preparation.run_commands(application("true"), {}, str(tmp_path), "/venv")
    assert not log.exists(), "it tells of what is no longer so"


def test_a_traceback_is_told_once_and_its_exception_in_the_sentence(tmp_path: Path) -> None:
    program = "def connect():\n    raise OSError('no database\\nis there')\nprint('begun')\nconnect()\n"
    (tmp_path / "migrate.py").write_text(program)
    failed = failure(tmp_path, "python3 migrate.py")
    assert ": OSError: no database; what was deployed" in str(failed)
    assert "Traceback" not in str(failed)
    assert failed.lines[0] == "Traceback (most recent call last):"
    assert failed.lines[-2:] == ["OSError: no database", "is there"]


@pytest.mark.parametrize(
    ("reason", "told"),
    [
        ("django.db.utils.OperationalError: unable to open database file", True),
        ("sqlite3.OperationalError: attempt to write a readonly database", True),
        ("PermissionError: [Errno 13] Permission denied: 'db.sqlite3'", True),
        ("OSError: [Errno 30] Read-only file system: '/usr/x'", True),
        ("mkdir: cannot create directory 'media': Permission denied\nmake: *** [Makefile:3: media] Error 1", True),
        ("git@git.example.com: Permission denied (publickey).", False),
        ("OSError: no database", False),
    ],
)
def test_a_command_that_cannot_write_is_told_where_it_may(tmp_path: Path, reason: str, told: bool) -> None:
    (tmp_path / "migrate.py").write_text(f"import sys\nsys.exit({reason!r})\n")
    sentence = str(failure(tmp_path, "python3 migrate.py"))
    told_where = (
        f": {reason.splitlines()[-1]}; a release belongs to root, so write below WSGI_STATE_DIRECTORY (/tmp), and "
        "static files into WSGI_STATIC_ROOT, which the key static_root makes (docs/applications.md); what was deployed"
    )
    assert (told_where in sentence) == told
    assert ("belongs to root" in sentence) == told


def test_a_command_that_cannot_write_is_told_which_folder_its_static_files_have() -> None:
    sentence = wsgi_preparation.where_to_write(application(static_root="made"), ["Permission denied: 'static/a.css'"])
    assert "static files into WSGI_STATIC_ROOT (its made) (docs/applications.md)" in sentence


def test_a_traceback_that_a_command_only_tells_of_is_not_its_failure() -> None:
    output = "\n".join(["Traceback (most recent call last):", "ValueError: handled", *"abcdefghijk", "it was the disk"])
    assert commands.essential(output)[0] == "it was the disk"


def test_a_signal_is_named(tmp_path: Path) -> None:
    assert "ended with signal 9: no output; what was deployed before is untouched." in str(
        failure(tmp_path, "kill -9 $$")
    )


def test_only_the_last_lines_are_told(tmp_path: Path, logs: Path) -> None:
    failed = failure(tmp_path, "seq 100; exit 1")
    assert failed.lines == [str(number + 1) for number in range(100 - commands.LAST_LINES, 100)]
    assert (logs / "shop-release-command.log").read_text().startswith("1\n2\n")


def prepare(release: Path, *commands: str, venv: str = "/venv", static_root: str = "made") -> list[str]:
    shop = application(*commands, user="nobody", static_root=static_root)
    return wsgi_preparation.prepare(shop, {}, str(release), venv)


@as_root
def test_the_static_root_is_writable_for_the_commands_and_root_s_afterwards(release: Path) -> None:
    command = "umask 077; mkdir made/css; echo x > made/css/a; chmod 4755 made/css/a; ln -s css/a made/link"
    assert prepare(release, command, "echo y >> made/css/a", "test $(stat -c %U made) = nobody") == []
    made = release / "made"
    entries = [made, *made.rglob("*")]
    assert len(entries) == 4
    assert {entry.lstat().st_uid for entry in entries} == {0}
    assert (made / "css").stat().st_mode & 0o7777 == 0o755
    assert (made / "css" / "a").stat().st_mode & 0o7777 == 0o755
    assert (made / "link").read_text() == "x\ny\n"
    assert os.listdir(release.parent) == ["1"]


@as_root
def test_without_commands_the_static_root_is_root_s_all_the_time(release: Path) -> None:
    assert prepare(release, static_root="out/static") == []
    assert (release / "out" / "static").stat().st_uid == 0


@as_root
@pytest.mark.parametrize("end", ["false", "ln -s /etc/shadow made/link", "mkfifo made/pipe"])
def test_after_a_failure_the_static_root_is_what_it_was(release: Path, end: str) -> None:
    prepare(release, "mkdir made/css; echo old > made/css/a; echo old > made/b")
    with pytest.raises(PreparationError):
        prepare(release, f"echo new > made/css/a; rm made/b; echo new > made/c; {end}")
    made = release / "made"
    assert sorted(str(entry.relative_to(made)) for entry in made.rglob("*")) == ["b", "css", "css/a"]
    assert {(made / each).read_text() for each in ("css/a", "b")} == {"old\n"}
    assert {entry.lstat().st_uid for entry in (made, *made.rglob("*"))} == {0}
    assert os.listdir(release.parent) == ["1"]


def serving(*commands: str, static: str = "made/css", **keys: Any) -> dict[str, Any]:
    shop = application(*commands, user="nobody", static_root="made", **keys)
    current = shop["paths"]["current"]
    return {
        **shop,
        "static": [{"directory": f"{current}/{static}", "file": ""}],
        "error_documents": [{"status": 404, "file": f"{current}/made/404.html"}],
    }


@as_root
def test_what_visitors_are_to_get_has_been_made(release: Path) -> None:
    """Nothing else would tell: each request for it is answered with 404."""
    make = "mkdir made/css; echo x > made/404.html"
    assert wsgi_preparation.prepare(serving(make), {}, str(release), "/venv") == []
    for command, key, path in (
        ("rm -r made/css", "static[0].directory", "made/css"),
        ("rm made/404.html", "error_documents[0].file", "made/404.html"),
    ):
        with pytest.raises(PreparationError) as refusal:
            wsgi_preparation.prepare(serving(make, command), {}, str(release), "/venv")
        assert str(refusal.value) == (
            f"wsgi_apps: application 'shop', key {key}: {path!r} is not there after the release commands; correct the "
            "path, or let one of them make it. What was deployed before is untouched."
        )
    assert sorted(os.listdir(release / "made")) == ["404.html", "css"], "it is what it was"


@as_root
def test_an_empty_static_root_is_told(release: Path) -> None:
    shop = {**serving("true", static="made", once=[1]), "error_documents": []}
    (sentence,) = wsgi_preparation.prepare(shop, {}, str(release), "/venv")
    assert sentence == (
        "wsgi_apps: application 'shop', key static_root: 'made' is empty after the release commands, so visitors get "
        "none of its files; let one of them fill it, on each host (without once), such as collectstatic."
    )
    assert wsgi_preparation.prepare({**shop, "release_commands": []}, {}, str(release), "/venv") == [sentence]
    assert wsgi_preparation.prepare({**shop, "static": []}, {}, str(release), "/venv") == []


SEND = """
import os, socket
for name in ("made/old", "made/new"):
    open(name, "a").close()
held = [os.open(name, os.O_RDWR) for name in ("made/old", "made/new")] + [os.open("made", os.O_RDONLY)]
peer = socket.socket(socket.AF_UNIX)
peer.connect("{address}")
socket.send_fds(peer, [b"x"], held)
"""


@pytest.fixture(name="receiver")
def fixture_receiver(tmp_path: Path) -> Iterator[socket.socket]:
    """A process of the account that goes on, as a daemon of the application that is in use."""
    with socket.socket(socket.AF_UNIX) as listening:
        listening.bind(str(tmp_path / "s"))
        (tmp_path / "s").chmod(0o777)
        listening.listen()
        listening.settimeout(30)
        yield listening


@as_root
def test_who_was_given_descriptors_has_nothing_in_hand_afterwards(
    release: Path, tmp_path: Path, receiver: socket.socket
) -> None:
    prepare(release, "echo visitors see this > made/old")
    (tmp_path / "send.py").write_text(SEND.format(address=tmp_path / "s"))
    prepare(release, f"python3 {tmp_path}/send.py")
    connection, _ = receiver.accept()
    with connection:
        _, ancillary, *_ = connection.recvmsg(1, socket.CMSG_SPACE(3 * 4))
    old, new, folder = array.array("i", ancillary[0][2])
    for descriptor in (old, new):
        os.write(descriptor, b"changed by a process that was left")
        os.fchmod(descriptor, 0o777)
        os.close(descriptor)
    made = release / "made"
    assert (made / "old").read_text() == "visitors see this\n"
    assert (made / "new").read_text() == ""
    with pytest.raises(FileNotFoundError):
        os.open("more", os.O_CREAT | os.O_WRONLY, dir_fd=folder)  # the folder itself is gone
    os.close(folder)


@as_root
def test_visitors_never_miss_a_file_meanwhile(release: Path) -> None:
    prepare(release, "echo x > made/a")
    missed: list[OSError] = []

    def visit(over: threading.Event) -> None:
        while not over.is_set():
            try:
                assert (release / "made" / "a").read_text() == "x\n"
            except OSError as error:
                missed.append(error)

    with meanwhile(visit):
        prepare(release, "echo y > made/b")
    assert missed == []
    assert (release / "made" / "b").exists()


def collect(release: Path, text: str) -> None:
    """What `prepare` does, with a command that adds a text to a file."""
    static_root = StaticRoot(str(release), "made", "/venv")
    static_root.ensure()
    static_root.give(NOBODY.pw_uid, NOBODY.pw_gid)
    with (release / "made" / "a").open("a") as stream:
        stream.write(text)
    os.chown(release / "made" / "a", NOBODY.pw_uid, NOBODY.pw_gid)
    static_root.take(NOBODY.pw_uid, NOBODY.pw_gid)


@as_root
@pytest.mark.parametrize("exchanges", [True, False])
@pytest.mark.parametrize("changes", range(12))
def test_a_run_that_was_killed_is_put_right(
    release: Path, monkeypatch: pytest.MonkeyPatch, exchanges: bool, changes: int
) -> None:
    """Killed before each single renaming; with and without a file system that can exchange."""
    collect(release, "1")
    if not exchanges:
        monkeypatch.setattr(wsgi_static_root, "RENAME_EXCHANGE", 1 << 20)  # refused with EINVAL, as by such a system
    counted = iter(range(changes))

    class KilledError(Exception):
        pass

    def until(action: Any) -> Any:
        def call(*arguments: Any, **options: Any) -> Any:
            if next(counted, None) is None:
                raise KilledError
            return action(*arguments, **options)

        return call

    with monkeypatch.context() as killing:
        killing.setattr(os, "rename", until(os.rename))
        killing.setattr(wsgi_static_root, "exchange", until(wsgi_static_root.exchange))
        with contextlib.suppress(KilledError):
            collect(release, "2")
    collect(release, "3")
    assert (release / "made" / "a").read_text() in ("13", "123")
    assert {entry.lstat().st_uid for entry in (release / "made", release / "made" / "a")} == {0}
    assert not (release.parent / "1.preparing").exists()


@as_root
@pytest.mark.parametrize("place", ["out", "out/static"])
@pytest.mark.parametrize("kind", ["link", "file", "dangling"])
def test_a_static_root_is_made_through_no_link(release: Path, tmp_path: Path, place: str, kind: str) -> None:
    (tmp_path / "elsewhere").mkdir()
    at = release / place
    at.parent.mkdir(exist_ok=True)
    if kind == "file":
        at.write_text("")
    else:
        at.symlink_to("../../elsewhere" + ("/more" if kind == "dangling" else ""))
    with pytest.raises(
        PreparationError, match=f"key static_root: {place.rpartition('/')[2]} in out/static is a link or a file"
    ):
        prepare(release, "true", static_root="out/static")
    assert os.listdir(tmp_path / "elsewhere") == []
    assert (tmp_path / "elsewhere").stat().st_uid == 0


@as_root
@pytest.mark.parametrize("closed", ["assets/deep/logo.svg", "assets"])
def test_a_link_to_what_httpd_cannot_read_is_refused(release: Path, closed: str) -> None:
    """It would answer 403."""
    (release / "assets" / "deep").mkdir(parents=True)
    (release / "assets" / "deep" / "logo.svg").write_text("x")
    link = f"ln -s {release}/assets/deep/logo.svg made/l"
    prepare(release, link)
    (release / closed).chmod((release / closed).stat().st_mode & ~0o007)
    message = (
        r"key static_root: a link leads to assets/deep/logo\.svg, which others cannot read in the source, so httpd"
    )
    with pytest.raises(PreparationError, match=message):
        prepare(release, f"rm made/l; {link}")


@as_root
def test_links_of_collectstatic_may_stay(release: Path, tmp_path: Path) -> None:
    venv = tmp_path / "venvs" / "1"
    for path in (venv / "lib" / "a.css", release / "app" / "b.css"):
        path.parent.mkdir(parents=True)
        path.write_text(path.name)
    prepare(
        release,
        f"ln -s {venv}/lib/a.css made/; ln -s {release}/app/b.css made/; ln -s a.css made/c.css; "
        f"mkdir made/d; ln -s {release}/made/a.css made/d/e.css",
        venv=str(venv),
    )
    assert {(release / "made" / name).read_text() for name in ("a.css", "c.css", "d/e.css")} == {"a.css"}
    assert (release / "made" / "b.css").read_text() == "b.css"


@as_root
@pytest.mark.parametrize(
    "link",
    ["{venv}/lib", "{venv}/lib/../lib/a", "{venv}/lib/away", "{venv}/lib/none", "/etc/passwd", "{tmp}/x", "../app"],
)
def test_other_links_are_refused(release: Path, tmp_path: Path, link: str) -> None:
    venv = tmp_path / "venvs" / "1"
    (venv / "lib").mkdir(parents=True)
    (venv / "lib" / "a").write_text("")
    (venv / "lib" / "away").symlink_to("/etc/passwd")
    (release / "app").mkdir()
    (tmp_path / "x").write_text("")
    with pytest.raises(PreparationError, match=r"key static_root: (the link )?l leads "):
        prepare(release, f"ln -s {link.format(venv=venv, tmp=tmp_path)} made/l", venv=str(venv))
    assert list((release / "made").iterdir()) == []
