# SPDX-License-Identifier: Apache-2.0
"""Logs: plain files as httpd writes them, or by our program; each line of JSON is valid, whatever is in it."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from ansible_collections.modwsgi.deploy.plugins.module_utils.deploy import log as wsgi_log
from ansible_collections.modwsgi.deploy.plugins.module_utils.httpd import log_writer
from ansible_collections.modwsgi.deploy.plugins.module_utils.instance import instance
from ansible_collections.modwsgi.deploy.plugins.plugin_utils.httpd import logs
from hypothesis import given
from hypothesis import strategies as st
from support.waiting import wait_for

PROGRAM = Path(log_writer.__file__)


def httpd_escape(value: bytes) -> bytes:
    """What httpd makes of a value (ap_escape_logitem): printable ASCII stays, the rest is escaped."""
    named = {8: b"\\b", 10: b"\\n", 13: b"\\r", 9: b"\\t", 11: b"\\v", 92: b"\\\\", 34: b'\\"'}
    return b"".join(
        named.get(byte, bytes([byte]) if 32 <= byte < 127 else b"\\x%02x" % byte) for byte in value
    )  # fmt: skip


def line(kind: str, **values: bytes) -> bytes:
    return b"\t".join(values.get(name, b"-") for name, _ in log_writer.FIELDS[kind])


def test_plain_files_need_no_program() -> None:
    described = logs.described("text", "files", instance("apache2"))
    assert described["error_log"] == "/var/log/apache2/error.log"
    assert described["writer"] == ""
    assert "\t" not in described["access_format"] + described["error_format"]


@pytest.mark.parametrize(
    ("form", "destination", "argument"),
    [
        ("json", "files", "access json /var/log/apache2/shop-access.log"),
        ("json", "journal", "access json journal:httpd-shop-access"),
        ("text", "journal", "access text journal:httpd-shop-access"),
    ],
)
def test_other_logs_go_through_our_program(form: str, destination: str, argument: str) -> None:
    logging = {"format": form, "destination": destination}
    found = logs.target(logging, "access", "/var/log/apache2/shop-access.log", instance("apache2"))
    assert found == f"|/usr/bin/python3 -I /usr/local/lib/modwsgi/log_writer.py {argument}"
    assert logs.described(form, destination, instance("apache2"))["writer"] == PROGRAM.read_text()


def test_fields_get_their_types() -> None:
    made = line("access", status=b"200", path=b"/a\\xc3\\xa9", user=b"-", agent=b'say \\"hi\\" \\\\ \\x01')
    found = json.loads(log_writer.as_json("access", made))
    assert found["status"] == 200
    assert found["path"] == "/aé"
    assert found["user"] is None
    assert found["agent"] == 'say "hi" \\ \x01'


def test_the_time_of_an_error_is_as_in_the_other_log() -> None:
    made = line("error", time=b"2026-11-25 01:02:03.000004", level=b"error", message=b"x")
    assert json.loads(log_writer.as_json("error", made))["time"] == "2026-11-25T01:02:03.000004"


def test_a_line_of_somebody_else_is_a_message() -> None:
    found = json.loads(log_writer.as_json("error", b"AH00558: apache2: Could not \xff determine"))
    assert found["message"] == "AH00558: apache2: Could not \\xff determine"
    assert found["time"].endswith("+00:00")


@given(st.lists(st.binary(max_size=30), min_size=1, max_size=20), st.sampled_from(["access", "error"]))
def test_every_line_is_valid_json(values: list[bytes], kind: str) -> None:
    raw = b"\t".join(values).replace(b"\n", b"")
    made = log_writer.as_json(kind, raw)
    assert isinstance(json.loads(made), dict)
    assert b"\n" not in made


@pytest.mark.slow
@given(st.text(max_size=40))
def test_a_value_comes_back_as_the_client_sent_it(value: str) -> None:
    sent = value.encode("utf-8", "surrogatepass")
    found = json.loads(log_writer.as_json("access", line("access", agent=httpd_escape(sent))))
    if value == "-":
        assert found["agent"] is None
    else:
        assert found["agent"] == sent.decode("utf-8", "backslashreplace")


@given(st.binary(max_size=60))
def test_no_value_adds_a_field(value: bytes) -> None:
    found = json.loads(log_writer.as_json("access", line("access", agent=httpd_escape(value), status=b"404")))
    assert list(found) == [name for name, _ in log_writer.ACCESS]
    assert found["status"] == 404


def run(*arguments: str, text: bytes) -> int:
    done = subprocess.run([sys.executable, "-I", PROGRAM, *arguments], input=text, capture_output=True, check=False)
    return done.returncode


def test_lines_are_appended_to_a_file_for_few_eyes(tmp_path: Path) -> None:
    log = tmp_path / "x.log"
    assert run("error", "text", str(log), text=b"one\ntwo\n") == 0
    assert run("error", "text", str(log), text=b"three\n") == 0
    assert log.read_text() == "one\ntwo\nthree\n"
    assert log.stat().st_mode & 0o777 == 0o640


def test_a_file_that_was_moved_away_is_opened_anew(tmp_path: Path) -> None:
    log = tmp_path / "x.log"
    file = log_writer.File(log_writer.Opener(str(log)).renewed)
    file.refresh()
    file.write(b"one", 6)
    log.rename(tmp_path / "x.log.1")
    file.refresh()
    file.write(b"two", 6)
    os.truncate(log, 0)  # copytruncate
    file.refresh()
    file.write(b"three", 6)
    assert (tmp_path / "x.log.1").read_text() == "one\n"
    assert log.read_text() == "three\n"


def test_a_file_that_cannot_be_opened_for_a_while_loses_no_line_as_long_as_the_one_before_is_there(
    tmp_path: Path,
) -> None:
    folder = tmp_path / "logs"
    folder.mkdir()
    log = folder / "x.log"
    file = log_writer.File(log_writer.Opener(str(log)).renewed)
    file.refresh()
    folder.rename(tmp_path / "moved")
    file.refresh()
    file.write(b"two", 6)
    folder.mkdir()
    file.refresh()
    file.write(b"three", 6)
    assert (tmp_path / "moved" / "x.log").read_text() == "two\n"
    assert log.read_text() == "three\n"


def test_what_a_full_disk_has_taken_of_a_line_spoils_no_other(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "x.log"
    log = log_writer.Log("error", "json", log_writer.File(log_writer.Opener(str(path)).renewed))
    log.place.refresh()
    write, room = os.write, [10]

    def short(descriptor: int, data: bytes) -> int:
        if not room[0]:
            raise OSError(28, "No space left on device")
        room[0] -= (done := write(descriptor, data[: room[0]]))
        return done

    with monkeypatch.context() as patch:
        patch.setattr(log_writer.os, "write", short)
        log.take(b"one", False)
        log.take(b"two", False)
    log.take(b"three", False)
    torn, *whole = path.read_text().splitlines()
    assert len(torn) == 10
    assert [json.loads(each)["message"] for each in whole] == [
        "log_writer.py: 2 lines were lost here (No space left on device)",
        "three",
    ]


def test_a_full_disk_ends_nothing() -> None:
    assert run("error", "text", "/dev/full", text=b"one\ntwo\n") == 0


@contextmanager
def started(*arguments: str | Path) -> Iterator[subprocess.Popen[bytes]]:
    """The program, with a pipe as httpd gives it."""
    with subprocess.Popen(
        [sys.executable, "-I", PROGRAM, *arguments], stdin=subprocess.PIPE, stderr=subprocess.PIPE, bufsize=0
    ) as process:
        try:
            yield process
        finally:
            process.kill()


def say(process: subprocess.Popen[bytes], text: bytes) -> None:
    assert process.stdin
    process.stdin.write(text)


def write(process: subprocess.Popen[bytes], log: Path, text: str) -> None:
    """A line that arrives in the log."""
    say(process, f"{text}\n".encode())
    wait_for(lambda: has(log, text), "the line is written")


def finish(process: subprocess.Popen[bytes]) -> None:
    """Close the pipe, as httpd does when it ends, and wait for the end of the program."""
    assert process.stdin
    process.stdin.close()
    assert process.wait(20) == 0


def the_one_that_writes(process: subprocess.Popen[bytes]) -> int:
    children = Path(f"/proc/{process.pid}/task/{process.pid}/children")
    wait_for(lambda: bool(children.read_text().split()), "the process that writes is there")
    return int(children.read_text().split()[0])


def state_of(pid: int, key: str) -> list[str]:
    lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    return next(line.split()[1:] for line in lines if line.startswith(f"{key}:"))


def has(log: Path, *words: str) -> bool:
    text = log.read_text() if log.exists() else ""
    return all(word in text for word in words)


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["access", "error"])
def test_a_killed_process_is_replaced_and_no_later_line_is_lost(tmp_path: Path, kind: str) -> None:
    log = tmp_path / "x.log"
    with started(kind, "json", log) as process:
        for number in range(2):
            say(process, b"before %d\n" % number)
            wait_for(lambda number=number: has(log, f"before {number}"), "the line is written")
            os.kill(the_one_that_writes(process), signal.SIGKILL)
            say(process, b"after %d\n" % number)
        finish(process)
    messages = [json.loads(each)["message"] for each in log.read_text().splitlines()]
    told = (
        "log_writer.py: the process that writes this log ended (signal 9) and was started again; lines may be lost here"
    )
    assert messages == [words for n in range(2) for words in (f"before {n}", told, f"after {n}")]


def running(pid: int) -> bool:
    return Path(f"/proc/{pid}").exists() and state_of(pid, "State")[0] not in "ZX"


def test_an_error_log_goes_on_without_the_process_that_httpd_knows(tmp_path: Path) -> None:
    log = tmp_path / "x.log"
    with started("error", "text", log) as process:
        write(process, log, "before")
        process.kill()
        process.wait()
        write(process, log, "after")


@pytest.mark.slow
def test_httpd_does_not_wait_for_an_error_log_and_no_line_of_older_processes_is_lost(tmp_path: Path) -> None:
    """At a reload and at a stop httpd serves nobody, until who got its SIGTERM has ended, or 3 s have passed."""
    log = tmp_path / "x.log"
    with started("error", "text", log) as process:
        write(process, log, "before")
        writer = the_one_that_writes(process)
        process.terminate()
        assert process.wait(20) == 0, "it ends, though there is one who can write to the pipe"
        log.rename(tmp_path / "rotated")
        say(process, b"after\n")
        wait_for(lambda: has(log, "after"), "the line is written, and to the file that has the name now")
        # What the first process promises, its copy keeps.
        os.kill(writer, signal.SIGKILL)
        write(process, log, "later")
        (heir,) = (pid for pid in the_programs_of(log) if pid in {parent_of(each) for each in the_programs_of(log)})
        assert process.stdin
        process.stdin.close()
        wait_for(lambda: not running(heir), "the copy ends with the pipe")
    assert "(for a reason that is not known) and was started again" in log.read_text()


def the_programs_of(log: Path) -> list[int]:
    """All processes of the program that write this log."""
    folders = [folder for folder in Path("/proc").iterdir() if os.fsencode(log) in command_line(folder)]
    return [int(folder.name) for folder in folders if running(int(folder.name))]


def parent_of(pid: int) -> int:
    return int(state_of(pid, "PPid")[0])


def command_line(folder: Path) -> list[bytes]:
    try:
        return (folder / "cmdline").read_bytes().split(b"\0")
    except OSError:
        return []


def test_a_line_is_written_though_httpd_ends_before_the_program_has_begun(tmp_path: Path) -> None:
    """A configuration that httpd does not start with: the line that says why, and SIGTERM, within a millisecond."""
    for number in range(5):
        log = tmp_path / f"{number}.log"
        with started("error", "text", log) as process:
            wait_for(lambda process=process: is_blocked(process.pid), "Python has begun to read the program")
            process.terminate()
            say(process, b"why\n")
            assert process.stdin
            process.stdin.close()
            assert process.wait(20) == 0
        wait_for(lambda log=log: has(log, "why"), "the line is written")


def is_blocked(pid: int) -> bool:
    """Whether SIGTERM waits for the program, or is handled by it."""
    return any(int(state_of(pid, key)[0], 16) & 1 << signal.SIGTERM - 1 for key in ("SigBlk", "SigCgt"))


@pytest.mark.parametrize("kind", ["access", "error"])
def test_the_program_ends_with_httpd_though_somebody_holds_the_pipe(tmp_path: Path, kind: str) -> None:
    """What an application has left behind has all pipes; systemd ends it, once the last lines are written."""
    log = tmp_path / "x.log"
    reading, writing = os.pipe()
    program = [sys.executable, "-I", str(PROGRAM), kind, "text", str(log)]
    httpd = f"""
import os, subprocess, sys
print(subprocess.Popen({program!r}, stdin={reading}, stdout=subprocess.DEVNULL).pid, flush=True)
sys.stdin.readline()
os.write({writing}, b"last words\\n")
"""
    try:
        with subprocess.Popen(
            [sys.executable, "-c", httpd], stdin=subprocess.PIPE, stdout=subprocess.PIPE, pass_fds=[reading, writing]
        ) as server:
            assert server.stdout
            first = int(server.stdout.readline())
            os.write(writing, b"one\n")
            wait_for(lambda: has(log, "one"), "the line is written")
            server.communicate(b"\n")
        wait_for(lambda: not running(first), "the program has ended")
    finally:
        os.close(reading)
        os.close(writing)
    assert log.read_text() == "one\nlast words\n"


def test_an_access_log_is_left_to_the_program_that_httpd_starts_next(tmp_path: Path) -> None:
    log = tmp_path / "x.log"
    with started("access", "text", log) as process:
        write(process, log, "before")
        writer = the_one_that_writes(process)
        process.kill()
        process.wait()
        wait_for(lambda: not running(writer), "the process that writes has ended")


@pytest.mark.root("only root has rights to give up")
@pytest.mark.parametrize(("journal", "first"), [(False, "0"), (True, "65534")])
def test_the_process_that_reads_lines_is_not_root(tmp_path: Path, journal: bool, first: str) -> None:
    tmp_path.chmod(0o700)  # as Debian's folder of logs, which others may not search
    log = tmp_path / "x.log"
    with started("error", "text", "journal:test" if journal else log) as process:
        wait_for(lambda: state_of(the_one_that_writes(process), "Uid") == ["65534"] * 4, "root is given up")
        writer = the_one_that_writes(process)
        assert state_of(writer, "Gid") == ["65534"] * 4
        assert state_of(writer, "Groups") == []
        assert state_of(writer, "CapPrm") == ["0" * 16]
        assert state_of(process.pid, "Uid") == [first] * 4
        if not journal:
            write(process, log, "one")
            log.rename(tmp_path / "moved")
            say(process, b"two\n")
        finish(process)
    assert journal or (log.read_text(), log.stat().st_uid, log.stat().st_mode & 0o777) == ("two\n", 0, 0o640)


def test_a_line_without_an_end_costs_no_memory(tmp_path: Path) -> None:
    log = tmp_path / "x.log"
    piece = b"x" * 2**16
    with started("error", "json", log) as process:
        say(process, b"first\n" + piece + b"\n")  # as much as a line may need
        wait_for(lambda: has(log, "first", "xxx"), "the lines are written")
        writer = the_one_that_writes(process)
        before = int(state_of(writer, "VmHWM")[0])
        for _ in range(512):  # 32 MiB
            say(process, piece)
        say(process, b"\nlast\n")
        wait_for(lambda: has(log, "last"), "the line is written")
        assert int(state_of(writer, "VmHWM")[0]) < before + 4096  # KiB
        finish(process)
    _, _, long, last = (json.loads(each) for each in log.read_text().splitlines())
    assert (long["message"], long["cut"]) == ("x" * log_writer.LONGEST_LINE, True)
    assert "cut" not in last


def test_a_number_of_many_digits_is_a_text(tmp_path: Path) -> None:
    log = tmp_path / "x.log"
    digits = b"1" * 10_000
    assert run("error", "json", str(log), text=line("error", pid=digits, message=b"x") + b"\nnext\n") == 0
    first, second = (json.loads(each) for each in log.read_text().splitlines())
    assert (first["pid"], first["message"], second["message"]) == (digits.decode(), "x", "next")


def test_a_fault_of_ours_costs_one_line_its_form_and_nothing_else(monkeypatch: pytest.MonkeyPatch) -> None:
    def fails(*_: object) -> None:
        raise RecursionError

    monkeypatch.setattr(log_writer, "record", fails)
    found = json.loads(log_writer.rendered("error", "json", b"\xff\0 words"))
    assert found["message"] == "log_writer.py: a line could not be read (RecursionError)"
    assert found["raw"] == "\\xff\0 words"


HOSTILE = st.lists(
    st.one_of(
        st.binary(max_size=30),
        st.sampled_from([b"\t", b"\n", b"\n\n", b"\0" * 70_000, b"9" * 5_000, b"\\", b"\\x", b"\\xed\\xa0\\x80", b"-"]),
    ),
    max_size=60,
)


@pytest.mark.slow
@given(HOSTILE, st.sampled_from(["access", "error"]), st.sampled_from([sys.maxsize, 48 * 1024]))
def test_each_line_becomes_one_valid_line_whatever_comes_in_whatever_pieces(
    given_pieces: list[bytes], kind: str, longest: int
) -> None:
    lines, made, bound = log_writer.Lines(), [], log_writer.LONGEST_LINE
    for piece in given_pieces:
        made += [log_writer.rendered(kind, "json", *each, longest) for each in lines.ended(piece)]
        assert len(lines.held) <= bound
    made += [log_writer.rendered(kind, "json", *each, longest) for each in lines.rest()]
    expected = b"".join(given_pieces).split(b"\n")
    expected = expected if expected[-1] else expected[:-1]
    assert len(made) == len(expected)
    for each, raw in zip(made, expected, strict=True):
        found = json.loads(each)
        assert b"\n" not in each
        assert len(each) <= longest
        assert {"time", "message"} <= set(found) or set(found) >= {name for name, _ in log_writer.FIELDS[kind]}
        assert len(raw) <= bound or found["cut"] is True


@given(HOSTILE, st.sampled_from(["access", "error"]))
def test_a_priority_is_found_whatever_comes(given_pieces: list[bytes], kind: str) -> None:
    assert log_writer.priority_of(kind, b"".join(given_pieces)) in range(8)


def test_a_text_that_is_too_long_for_the_journal_is_cut_and_says_so() -> None:
    made = log_writer.rendered("error", "text", b"x" * 2**16, False, log_writer.LONGEST_DATAGRAM)
    assert len(made) == log_writer.LONGEST_DATAGRAM
    assert made.endswith(b"x [cut]")


def test_a_message_for_the_journal(tmp_path: Path) -> None:
    path = str(tmp_path / "socket")
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as journal:
        journal.bind(path)
        made = line("error", level=b"crit", message=b"x")
        priority = log_writer.priority_of("error", made)
        log_writer.Journal("httpd-shop-error", path).write(b"two\nPRIORITY=0", priority)
        assert journal.recv(1000) == (
            b"SYSLOG_IDENTIFIER=httpd-shop-error\nPRIORITY=2\nMESSAGE\n\x0e\0\0\0\0\0\0\0two\nPRIORITY=0\n"
        )


@pytest.mark.parametrize(
    ("text", "priority"), [(b"[t] [core:error] [pid 1] x", 3), (b"[t] [wsgi:trace4] x", 7), (b"free words", 5)]
)
def test_priorities_of_text(text: bytes, priority: int) -> None:
    assert log_writer.priority_of("error", text) == priority


def test_wrong_arguments_are_told() -> None:
    assert run("error", "xml", "/x", text=b"") == 2


def test_a_traceback_is_found_in_a_log_in_json() -> None:
    words = ["Traceback (most recent call last):", '  File "x.py", line 1', "ValueError: on purpose"]
    lines = [
        wsgi_log.plain(
            log_writer.as_json(
                "error", line("error", pid=b"7", thread=b"9", message=httpd_escape(word.encode()))
            ).decode()
        )
        for word in words
    ]
    assert wsgi_log.traceback(lines) == words
    assert wsgi_log.plain("{no json") == "{no json"
