# SPDX-License-Identifier: Apache-2.0
"""Logs: plain files as httpd writes them, or by our program; each line of JSON is valid, whatever is in it."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
from pathlib import Path

import pytest
from ansible_collections.modwsgi.deploy.plugins.module_utils import httpd_log_writer, httpd_logs
from ansible_collections.modwsgi.deploy.plugins.module_utils.httpd_instance import instance
from hypothesis import given
from hypothesis import strategies as st

PROGRAM = Path(httpd_log_writer.__file__)


def httpd_escape(value: bytes) -> bytes:
    """What httpd makes of a value (ap_escape_logitem): printable ASCII stays, the rest is escaped."""
    named = {8: b"\\b", 10: b"\\n", 13: b"\\r", 9: b"\\t", 11: b"\\v", 92: b"\\\\", 34: b'\\"'}
    return b"".join(
        named.get(byte, bytes([byte]) if 32 <= byte < 127 else b"\\x%02x" % byte) for byte in value
    )  # fmt: skip


def line(kind: str, **values: bytes) -> bytes:
    return b"\t".join(values.get(name, b"-") for name, _ in httpd_log_writer.FIELDS[kind])


def test_plain_files_need_no_program() -> None:
    described = httpd_logs.described("text", "files", instance())
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
    found = httpd_logs.target(logging, "access", "/var/log/apache2/shop-access.log")
    assert found == f"|/usr/bin/python3 -I /usr/local/lib/modwsgi/log_writer.py {argument}"
    assert httpd_logs.described(form, destination, instance())["writer"] == PROGRAM.read_text()


def test_fields_get_their_types() -> None:
    made = line("access", status=b"200", path=b"/a\\xc3\\xa9", user=b"-", agent=b'say \\"hi\\" \\\\ \\x01')
    found = json.loads(httpd_log_writer.as_json("access", made))
    assert found["status"] == 200
    assert found["path"] == "/aé"
    assert found["user"] is None
    assert found["agent"] == 'say "hi" \\ \x01'


def test_the_time_of_an_error_is_as_in_the_other_log() -> None:
    made = line("error", time=b"2026-11-25 01:02:03.000004", level=b"error", message=b"x")
    assert json.loads(httpd_log_writer.as_json("error", made))["time"] == "2026-11-25T01:02:03.000004"


def test_a_line_of_somebody_else_is_a_message() -> None:
    found = json.loads(httpd_log_writer.as_json("error", b"AH00558: apache2: Could not \xff determine"))
    assert found["message"] == "AH00558: apache2: Could not \\xff determine"
    assert found["time"].endswith("+00:00")


@given(st.lists(st.binary(max_size=30), min_size=1, max_size=20), st.sampled_from(["access", "error"]))
def test_every_line_is_valid_json(values: list[bytes], kind: str) -> None:
    raw = b"\t".join(values).replace(b"\n", b"")
    made = httpd_log_writer.as_json(kind, raw)
    assert isinstance(json.loads(made), dict)
    assert b"\n" not in made


@given(st.text(max_size=40))
def test_a_value_comes_back_as_the_client_sent_it(value: str) -> None:
    sent = value.encode("utf-8", "surrogatepass")
    found = json.loads(httpd_log_writer.as_json("access", line("access", agent=httpd_escape(sent))))
    if value == "-":
        assert found["agent"] is None
    else:
        assert found["agent"] == sent.decode("utf-8", "backslashreplace")


@given(st.binary(max_size=60))
def test_no_value_adds_a_field(value: bytes) -> None:
    found = json.loads(httpd_log_writer.as_json("access", line("access", agent=httpd_escape(value), status=b"404")))
    assert list(found) == [name for name, _ in httpd_log_writer.ACCESS]
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
    file = httpd_log_writer.File(str(log))
    file.write(b"one", 6)
    log.rename(tmp_path / "x.log.1")
    file.write(b"two", 6)
    os.truncate(log, 0)  # copytruncate
    file.write(b"three", 6)
    assert (tmp_path / "x.log.1").read_text() == "one\n"
    assert log.read_text() == "three\n"


def test_a_full_disk_ends_nothing() -> None:
    assert run("error", "text", "/dev/full", text=b"one\ntwo\n") == 0


def test_the_program_outlives_a_reload(tmp_path: Path) -> None:
    log = tmp_path / "x.log"
    with subprocess.Popen(
        [sys.executable, "-I", PROGRAM, "error", "text", log], stdin=subprocess.PIPE, bufsize=0
    ) as process:
        assert process.stdin
        process.stdin.write(b"before\n")
        while not log.exists() or not log.read_text():
            assert process.poll() is None
        process.terminate()
        process.stdin.write(b"after\n")
        process.stdin.close()
        assert process.wait(20) == 0
    assert log.read_text() == "before\nafter\n"


def test_a_message_for_the_journal(tmp_path: Path) -> None:
    path = str(tmp_path / "socket")
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as journal:
        journal.bind(path)
        made = line("error", level=b"crit", message=b"x")
        priority = httpd_log_writer.priority_of("error", made)
        httpd_log_writer.Journal("httpd-shop-error", path).write(b"two\nPRIORITY=0", priority)
        assert journal.recv(1000) == (
            b"SYSLOG_IDENTIFIER=httpd-shop-error\nPRIORITY=2\nMESSAGE\n\x0e\0\0\0\0\0\0\0two\nPRIORITY=0\n"
        )


@pytest.mark.parametrize(
    ("text", "priority"), [(b"[t] [core:error] [pid 1] x", 3), (b"[t] [wsgi:trace4] x", 7), (b"free words", 5)]
)
def test_priorities_of_text(text: bytes, priority: int) -> None:
    assert httpd_log_writer.priority_of("error", text) == priority


def test_wrong_arguments_are_told() -> None:
    assert run("error", "xml", "/x", text=b"") == 2
