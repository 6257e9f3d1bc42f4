# SPDX-License-Identifier: Apache-2.0
"""A load that hangs is ended and says where; one that ends its process again and again waits, and hears signals."""

from __future__ import annotations

import json
import os
import runpy
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest
from support.scripts import ROOT

LOADING = ROOT / "roles" / "wsgi_app" / "files" / "loading.py"
MODULE = runpy.run_path(str(LOADING))
PROGRAM = """
import runpy, sys
loading = runpy.run_path({loading!r})
loading["Notes"].left.__globals__["start_time"] = lambda _: 0  # the service hides processes from each other
notes = loading["Notes"]({folder!r}, {group!r}, [{release!r}])
with loading["bounded"]("shop", {seconds}, "startup_timeout", notes):
    exec({code!r})
print("loaded", flush=True)
"""


class Loads:
    """Processes that load an application, one after the other."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder / "loading"

    def command(self, code: str, seconds: float = 20, release: str = "1", group: str = "shop") -> list[str]:
        values = {"loading": str(LOADING), "folder": str(self.folder), "group": group, "release": release}
        return [sys.executable, "-c", PROGRAM.format(**values, seconds=seconds, code=code)]

    def run(self, code: str, **options: Any) -> subprocess.CompletedProcess[str]:
        """One load, to its end."""
        return subprocess.run(self.command(code, **options), capture_output=True, text=True, timeout=30, check=False)

    def left(self) -> list[Path]:
        """The notes of loads that go on, or have ended their process."""
        return sorted(self.folder.iterdir())

    def fail(self, times: int, note: dict[str, Any] | None = None) -> None:
        """Leave what is left of a process that followed on others."""
        self.run("import os; os._exit(1)")
        (path,) = self.left()
        path.write_text(json.dumps({**json.loads(path.read_text()), "failures": times - 1, **(note or {})}))


@pytest.fixture(name="loads")
def fixture_loads(tmp_path: Path) -> Loads:
    return Loads(tmp_path)


def test_a_load_that_hangs_is_ended_with_its_place_and_the_setting(loads: Loads) -> None:
    ended = loads.run("import time\ntime.sleep(3000)", seconds=0.2)
    assert ended.returncode == 1
    assert ended.stdout == ""
    lines = ended.stderr.splitlines()
    assert lines[0] == "Traceback (most recent call last):"
    assert '  File "<string>", line 2, in <module>' in lines
    assert lines[-1].startswith("TimeoutError: The application shop was not loaded within 0.2 s (startup_timeout), so ")


@pytest.mark.slow
def test_a_load_that_keeps_python_from_running_is_ended_too(loads: Loads) -> None:
    ended = loads.run("import ctypes\nctypes.PyDLL(None).sleep(3000)", seconds=0.2)
    assert ended.returncode == 1
    assert 'File "<string>", line 2 in <module>' in ended.stderr


def test_without_a_limit_nothing_is_ended(loads: Loads) -> None:
    ended = loads.run("import threading; print(threading.active_count())", seconds=0)
    assert ended.stdout == "1\nloaded\n"


@pytest.mark.parametrize("code", ["pass", "try:\n    raise SystemExit(3)\nexcept SystemExit:\n    pass"])
def test_a_load_that_ends_by_itself_leaves_nothing(loads: Loads, code: str) -> None:
    assert loads.run(code).stdout == "loaded\n"
    assert loads.left() == []


def test_an_exception_is_no_end_of_the_process_and_leaves_nothing(loads: Loads) -> None:
    assert "ValueError: x" in loads.run("raise ValueError('x')").stderr
    assert loads.left() == []


@pytest.mark.parametrize(
    ("failures", "seconds"), [(0, 0), (1, 0), (2, 1), (3, 2), (4, 4), (5, 8), (6, 16), (7, 30), (1000, 30)]
)
def test_pauses_grow_and_are_bounded(failures: int, seconds: int) -> None:
    assert MODULE["pause"](failures) == seconds


@pytest.mark.slow
@pytest.mark.parametrize("code", ["import os; os._exit(0)", "import os; os.kill(os.getpid(), 9)"])
def test_a_process_that_ends_while_it_loads_is_told_by_the_next(loads: Loads, code: str) -> None:
    assert loads.run(code).stderr == ""
    second = loads.run(code)
    assert second.stderr.startswith(
        "The application shop is loaded again at once, since the last 1 of its processes ended while they loaded it"
    )
    assert "or after 20 s (startup_timeout)" in second.stderr
    assert "is loaded again in 1 s, since the last 2 of its processes" in loads.run(code).stderr


def test_a_load_that_succeeds_is_a_new_beginning(loads: Loads) -> None:
    loads.fail(1)
    assert loads.run("pass").stdout == "loaded\n"
    assert loads.run("pass").stderr == ""


@pytest.mark.parametrize("options", [{"release": "2"}, {"group": "shop:reports"}])
def test_another_release_and_another_group_do_not_wait(loads: Loads, options: dict[str, str]) -> None:
    loads.fail(7)
    assert loads.run("pass", **options).stderr == ""


def test_another_httpd_does_not_wait(loads: Loads) -> None:
    loads.fail(7, {"what": ["1", os.getpid(), 1]})
    assert loads.run("pass").stderr == ""


@pytest.mark.slow
def test_two_processes_that_end_are_followed_by_one_each(loads: Loads) -> None:
    loads.fail(2)
    note = loads.left()[0]
    (note.parent / "shop.4194305").write_text(note.read_text())
    assert "the last 2 of its processes" in loads.run("pass").stderr
    assert "the last 2 of its processes" in loads.run("pass").stderr
    assert loads.left() == []


def test_a_process_that_still_loads_is_none_that_failed(loads: Loads) -> None:
    with subprocess.Popen(loads.command("print(flush=True); input()"), stdin=-1, stdout=-1, text=True) as first:
        assert first.stdout
        first.stdout.readline()
        assert loads.run("pass").stderr == ""
        assert len(loads.left()) == 1
        first.communicate("\n", timeout=20)
    assert loads.left() == []


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGUSR1, signal.SIGINT], ids=lambda number: number.name)
def test_a_process_that_waits_ends_at_once_when_told(loads: Loads, number: signal.Signals) -> None:
    loads.fail(7)
    # As mod_wsgi, whose handlers only note the signal for later.
    handler = f"import signal\nsignal.signal({number.value}, lambda *_: None)\n"
    command = loads.command("pass")
    with subprocess.Popen([*command[:2], handler + command[2]], stderr=-1, stdout=-1, text=True) as process:
        assert process.stderr
        assert "is loaded again in 30 s" in process.stderr.readline()
        begun = time.monotonic()
        process.send_signal(number)
        assert process.wait(20) == 0
        assert time.monotonic() - begun < 5
        assert process.stdout
        assert process.stdout.read() == ""
    assert loads.left() == []


def test_what_others_put_into_the_folder_stops_nobody(loads: Loads, tmp_path: Path) -> None:
    loads.folder.mkdir()
    (tmp_path / "aim").write_text("{}")
    (loads.folder / "shop.1000000001").symlink_to(tmp_path / "aim")
    os.mkfifo(loads.folder / "shop.1000000002")
    (loads.folder / "shop.1000000003").write_text("[" * 100000)
    (loads.folder / "shop.1000000004").write_text('{"failures": "many"}')
    (loads.folder / "shop.x").write_text("")
    ended = loads.run("pass")
    assert (ended.stdout, ended.stderr) == ("loaded\n", "")
    assert (tmp_path / "aim").read_text() == "{}"


def test_without_its_folder_the_application_is_loaded_and_it_is_told(tmp_path: Path) -> None:
    loads = Loads(tmp_path / "missing")
    ended = loads.run("pass")
    assert ended.stdout == "loaded\n"
    assert ended.stderr.startswith("The application shop is loaded without a pause after failures, since ")
