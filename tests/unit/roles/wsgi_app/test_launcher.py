# SPDX-License-Identifier: Apache-2.0
"""The launcher: environment before import, the real file in a traceback, and no start without settings."""

from __future__ import annotations

import ast
import json
import os
import resource
import runpy
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
import traceback
import types
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from support.answering import accept
from support.scripts import ROOT
from support.shadowing import run_as_mod_wsgi, shadow_python

FILES = ROOT / "roles" / "wsgi_app" / "files"
LAUNCHER = FILES / "launcher.py"


class Site:
    """An application as it is on a host."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.release = root / "releases" / "1"
        self.release.mkdir(parents=True)
        (root / "current").symlink_to("releases/1")
        (root / "etc" / "shop").mkdir(parents=True)
        self.application: dict[str, Any] = {
            "name": "shop",
            "user": "wsgi-shop",
            "script": "wsgi.py",
            "callable": "application",
            "python_path": ["lib"],
            "static_root": "collected",
            "state": "/var/lib/wsgi/shop",
            "current": str(root / "current"),
            "venv": str(root / "venv"),
        }
        self.variables: dict[str, str] | None = {"KEY": "value"}

    def start(self, script: str, launcher: str = "launcher") -> Any:
        """Load the launcher as mod_wsgi does; what it gives to mod_wsgi."""
        return runpy.run_path(str(self.write(script, launcher)))["application"]

    def write(self, script: str, launcher: str = "launcher") -> Path:
        """Put the files there; the launcher's."""
        (self.release / self.application["script"]).write_text(script)
        folder = self.root / "etc" / "shop"
        (folder / "application.json").write_text(json.dumps(self.application))
        if self.variables is not None:
            (folder / "environment.json").write_text(json.dumps(self.variables))
        return self.launcher(launcher)

    def launcher(self, name: str = "launcher") -> Path:
        """The launcher, which reads this site's configuration."""
        (self.root / "loading.py").write_text((FILES / "loading.py").read_text())
        path = self.root / f"{name}.py"
        text = LAUNCHER.read_text().replace('"/etc/wsgi"', repr(str(self.root / "etc")))
        path.write_text(text.replace('"/srv/wsgi"', repr(str(self.root / "srv"))))
        return path


@pytest.fixture(name="site")
def fixture_site(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Site]:
    module = types.ModuleType("mod_wsgi")
    module.process_group = "shop"  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "mod_wsgi", module)
    before, path, folder = dict(os.environ), list(sys.path), Path.cwd()
    yield Site(tmp_path)
    os.environ.clear()
    os.environ.update(before)
    time.tzset()
    sys.path[:] = path
    os.chdir(folder)
    sys.modules.pop("wsgi_script", None)
    sys.modules.pop("modwsgi_deployment", None)


def packages_of(site: Site) -> Path:
    """The folder of the packages in the site's virtual environment, with one package."""
    folder = site.root / "venv" / "lib" / f"python{sys.version_info[0]}.{sys.version_info[1]}" / "site-packages"
    folder.mkdir(parents=True)
    (folder / "only_in_the_venv.py").write_text("")
    return folder


def test_an_embedded_application_is_known_by_the_name_of_its_launcher(
    site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys.modules["mod_wsgi"], "process_group", "")
    folder, packages = Path.cwd(), packages_of(site)
    script = "import os, only_in_the_venv, sys\ndef application(environ, start_response): return [list(sys.path)]\n"
    (path,) = site.start(script, launcher="shop")({}, None)
    assert path[:3] == [str(site.release), str(site.release / "lib"), str(packages)]
    assert Path.cwd() == folder, "the folder of httpd's processes stays"


INHERITED = """
import fcntl, json, os, socket, subprocess, sys, types

root, uid = sys.argv[1], 65533
os.umask(0o022)
# As httpd's parent has it all: opened by root.
opened = {
    "error log": os.open(f"{root}/shop-error.log", os.O_WRONLY | os.O_CREAT | os.O_APPEND),
    "other error log": os.open(f"{root}/blog-error.log", os.O_WRONLY | os.O_CREAT | os.O_APPEND),
    "scratch": os.open(f"{root}/scratch", os.O_RDWR | os.O_CREAT),
    "code": os.open(__file__ if "__file__" in globals() else sys.executable, os.O_RDONLY),
    "device": os.open("/dev/zero", os.O_RDWR),
}
opened["log program"], opened["its other end"] = os.pipe()
for group in (1, 2):
    path = f"{root}/wsgi.7.0.{group}.lock"
    opened[f"mutex {group}"] = os.open(path, os.O_WRONLY | os.O_CREAT)
    os.unlink(path)
opened["counters"] = os.memfd_create("wsgi_admission")
os.ftruncate(opened["counters"], 4096)
listener = socket.socket(socket.AF_UNIX)
listener.bind(f"{root}/wsgi.7.0.2.sock")
opened["listener"] = listener.fileno()
own = os.open(f"{root}/own", os.O_WRONLY | os.O_CREAT)
os.fchown(own, uid, uid)
opened["own"] = own
twice = os.dup(opened["error log"])
opened["error log once more"] = twice
os.dup2(opened["error log"], 2)
os.setresgid(uid, uid, uid)
os.setresuid(uid, uid, uid)
opened["own pipe"], opened["its end"] = os.pipe()
module = types.ModuleType("mod_wsgi")
module.process_group = ""
sys.modules["mod_wsgi"] = module
space = {"__name__": "launcher", "__file__": sys.argv[2]}
source = sys.stdin.read().rpartition("application = ")[0]
exec(compile(source, "launcher.py", "exec"), space)
if sys.argv[3:]:
    space["descriptors"] = lambda: range(3, 1024)
    space["path_of"] = lambda number: ""
before = {name: os.fstat(number) for name, number in opened.items()}
space["leave_what_is_of_others"]()
null = os.stat("/dev/null")
gone = [name for name, number in opened.items() if os.path.samestat(os.fstat(number), null)]
kept = [name for name, number in opened.items() if os.path.samestat(os.fstat(number), before[name])]
os.write(1, json.dumps([gone, kept]).encode())
"""
"""A daemon process at its start: root has opened all, and then it has become the application's account."""


@pytest.mark.root("only root can open what the account cannot")
@pytest.mark.parametrize("chroot", [False, True])
def test_what_httpd_has_opened_for_others_is_let_go(chroot: bool) -> None:
    folder = Path(tempfile.mkdtemp(dir="/tmp"))
    folder.chmod(0o755)
    try:
        done = subprocess.run(
            ["/usr/bin/python3", "-I", "-c", INHERITED, str(folder), str(LAUNCHER), *(["chroot"] if chroot else [])],
            input=LAUNCHER.read_text(),
            capture_output=True,
            text=True,
            check=False,
        )
        said = (folder / "shop-error.log").read_text()
    finally:
        shutil.rmtree(folder)
    assert done.returncode == 0, done.stderr + said
    gone, kept = json.loads(done.stdout)
    of_others = {"other error log", "scratch", "log program", "its other end", "counters"}
    # Without /proc nobody can tell whose a mutex is; to take one's own for another's would let all groups share one.
    assert set(gone) == of_others | (set() if chroot else {"mutex 1"})
    assert set(kept) == {
        "error log", "error log once more", "code", "device", "mutex 2", "listener", "own", "own pipe", "its end",
    } | ({"mutex 1"} if chroot else set())  # fmt: skip


@pytest.mark.parametrize("group", ["", "shop"])
def test_httpd_s_own_processes_keep_what_httpd_needs(site: Site, monkeypatch: pytest.MonkeyPatch, group: str) -> None:
    asked = []
    monkeypatch.setattr(sys.modules["mod_wsgi"], "process_group", group)
    monkeypatch.setattr(os, "listdir", lambda path: asked.append(path) or [])
    packages_of(site)
    site.start("def application(environ, start_response): return []\n", launcher="launcher" if group else "shop")
    assert ("/proc/self/fd" in asked) == bool(group)


def test_the_probe_is_told_what_was_loaded(site: Site) -> None:
    site.start("def application(environ, start_response): return []\n")
    deployment = sys.modules["modwsgi_deployment"]
    assert deployment.release == str(site.release)
    assert deployment.venv == str(site.root / "venv")


def test_the_environment_is_there_when_the_script_is_imported(site: Site) -> None:
    script = "import os\nseen = dict(os.environ)\ndef application(environ, start_response): return [seen]\n"
    (seen,) = site.start(script)({}, None)
    assert seen["KEY"] == "value"
    assert seen["WSGI_STATIC_ROOT"] == str(site.release / "collected")
    assert seen["HOME"] == seen["WSGI_STATE_DIRECTORY"] == "/var/lib/wsgi/shop"
    assert seen["USER"] == seen["LOGNAME"] == "wsgi-shop"
    assert seen["PATH"].startswith(f"{site.root}/venv/bin:")


def test_the_time_zone_is_that_of_the_application(site: Site) -> None:
    site.variables = {"TZ": "CET-1CEST"}
    (zone,) = site.start("import time\nzone = time.tzname\ndef application(e, s): return [zone]\n")({}, None)
    assert zone == ("CET", "CEST")


def test_the_load_is_limited_and_leaves_no_thread(site: Site) -> None:
    site.application.update(startup_timeouts={"shop": 15}, state=str(site.root))
    script = "import os, threading\nseen = threading.enumerate(), os.listdir({})\ndef application(e, s): return seen\n"
    before = set(threading.enumerate())  # some of an earlier test may end meanwhile
    threads, notes = site.start(script.format(repr(str(site.root / ".wsgi-loading"))))({}, None)
    assert len(set(threads) - before) == 1, "nothing has watched the load"
    assert set(threading.enumerate()) <= before
    assert notes == [f"shop.{os.getpid()}"]
    assert list((site.root / ".wsgi-loading").iterdir()) == []


@pytest.mark.parametrize(
    "application",
    [
        {"startup_timeouts": {"shop": 15}, "debug": True},
        {},  # of an earlier version of the role
    ],
)
def test_debug_mode_is_not_limited(site: Site, application: dict[str, Any], monkeypatch: pytest.MonkeyPatch) -> None:
    stops: list[Any] = []
    monkeypatch.setattr(sys.modules["mod_wsgi"], "subscribe_shutdown", stops.append, raising=False)
    site.application.update(application, state=str(site.root))
    before = threading.enumerate()  # some of an earlier test may end meanwhile
    script = "import threading\nseen = threading.enumerate()\ndef application(e, s): return seen\n"
    assert set(site.start(script)({}, None)) <= set(before)
    for stop in stops:
        stop("process_stopping")
    assert not (site.root / ".wsgi-loading").exists()


LIMITS = """
import json, resource
kinds = (resource.RLIMIT_NPROC, resource.RLIMIT_NOFILE)
found = [resource.getrlimit(kind) for kind in kinds]
application = lambda *_: found
"""


@pytest.mark.parametrize("given", [{"max_tasks": 700, "max_open_files": 200}, {"max_tasks": 0}, {}])
def test_a_daemon_process_has_its_limits_before_its_code_runs(site: Site, given: dict[str, int]) -> None:
    """In a process of its own: they cannot be taken back."""
    site.application.update(given)
    path = site.write(LIMITS)
    tasks, files = json.loads(in_a_process(path, "shop"))
    inherited = [list(resource.getrlimit(kind)) for kind in (resource.RLIMIT_NPROC, resource.RLIMIT_NOFILE)]
    assert tasks == ([700, 700] if given.get("max_tasks") else inherited[0])
    assert files == ([200, 200] if given.get("max_open_files") else inherited[1])


def test_httpd_s_own_processes_have_none_of_them(site: Site) -> None:
    site.application.update(max_tasks=700, max_open_files=200)
    path = site.write(LIMITS, "shop")
    tasks, files = json.loads(in_a_process(path, ""))
    assert tasks != [700, 700]
    assert files != [200, 200]


def in_a_process(launcher: Path, group: str) -> str:
    """What the application of a launcher gives, in a new process of this daemon process group."""
    program = as_mod_wsgi(launcher, group)
    return subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True).stdout


def as_mod_wsgi(launcher: Path, group: str) -> str:
    """A program that does what mod_wsgi does in a daemon process of a group, and prints what the application gives."""
    return (
        "import json, runpy, sys, types\n"
        "module = types.ModuleType('mod_wsgi')\n"
        f"module.process_group = {group!r}\n"
        "sys.modules['mod_wsgi'] = module\n"
        f"print(json.dumps(runpy.run_path({str(launcher)!r})['application']()))\n"
    )


def test_imports_find_the_release_itself_and_not_the_link(site: Site) -> None:
    link = site.application["venv"]
    (site.root / "venvs" / "1" / "lib").mkdir(parents=True)
    Path(link).symlink_to("venvs/1")
    sys.path.append(f"{link}/lib")
    site.start("def application(e, s): pass\n")
    assert sys.path[:2] == [str(site.release), str(site.release / "lib")]
    assert str(site.root / "venvs" / "1" / "lib") in sys.path
    assert not any(path.startswith(f"{link}/") for path in sys.path)


def test_what_the_launcher_imports_are_python_s_own_modules(site: Site) -> None:
    """An application may have modules that are called like Python's; mod_wsgi searches its folder first."""
    site.application.update(startup_timeouts={"shop": 15}, state=str(site.root))
    script = site.write("import sys\nprint(sys.path)\ndef application(environ, start_response): return []\n")
    shadow_python(site.release)
    current = site.application["current"]
    done = run_as_mod_wsgi(script, [Path(current)], {})
    assert (done.returncode, done.stderr) == (0, "")
    searched = ast.literal_eval(done.stdout)
    assert searched[:2] == [str(site.release), str(site.release / "lib")]
    assert current not in searched, "a later release would be found"


def test_another_callable(site: Site) -> None:
    site.application["callable"] = "factory.app"
    site.application["script"] = "start.py"
    script = "class factory:\n    @staticmethod\n    def app(environ, start_response): return [b'x']\n"
    assert site.start(script)({}, None) == [b"x"]


def test_a_callable_that_is_not_there_is_named(site: Site) -> None:
    with pytest.raises(RuntimeError, match=r"wsgi.py has no application; set `callable`"):
        site.start("app = 1\n")


ASGI = """
class App:
    async def __call__(self, scope, receive, send): pass
    async def method(self, scope, receive, send): pass
async def function(scope, receive, send): pass
"""


@pytest.mark.parametrize("application", ["App()", "App().method", "function"])
def test_an_asgi_application_is_refused_by_name(site: Site, application: str) -> None:
    with pytest.raises(RuntimeError, match=r"^application of the script .*wsgi\.py is an ASGI application"):
        site.start(f"{ASGI}application = {application}\n")


@pytest.mark.parametrize("damage", ["missing", "broken"])
def test_without_its_environment_nothing_is_imported(site: Site, damage: str, tmp_path: Path) -> None:
    site.variables = None
    if damage == "broken":
        (site.root / "etc" / "shop" / "environment.json").write_text("{")
    with pytest.raises(RuntimeError, match=r"The application shop is not started, because .*environment.json cannot"):
        site.start(f"open({str(tmp_path / 'imported')!r}, 'w')\n")
    assert not (tmp_path / "imported").exists()


def test_a_traceback_shows_the_script_s_own_file_and_line(site: Site) -> None:
    with pytest.raises(ZeroDivisionError) as error:
        site.start("x = 1\ny = 1 / 0\n")
    frames = traceback.extract_tb(error.value.__traceback__)
    assert (frames[-1].filename, frames[-1].lineno) == (str(site.release / "wsgi.py"), 2)


def test_an_exception_of_a_request_keeps_its_traceback(site: Site) -> None:
    application = site.start("def application(e, s):\n    raise KeyError('x')\n")
    with pytest.raises(KeyError) as error:
        application({}, None)
    assert traceback.extract_tb(error.value.__traceback__)[-1].lineno == 2


def module(name: str, path: Path) -> types.ModuleType:
    """A loaded module of a file."""
    path.write_text("")
    loaded = types.ModuleType(name)
    loaded.__file__ = str(path)
    return loaded


class Looks:
    """Stands for the event that ends the watch: after each look at the files it lets something happen."""

    def __init__(self, *happenings: Any) -> None:
        self.happenings = list(happenings)

    def wait(self, _seconds: float) -> bool:
        if not self.happenings:
            return True
        self.happenings.pop(0)()
        return False


def signals_of(site: Site, monkeypatch: pytest.MonkeyPatch, *happenings: Any) -> list[int]:
    """What the watch sends to its process."""
    site.start("def application(e, s): pass\n")
    launcher = runpy.run_path(str(site.launcher()))
    sent: list[int] = []
    monkeypatch.setattr(os, "kill", lambda _pid, number: sent.append(number))
    launcher["restart_when_changed"](str(site.release), Looks(*happenings))
    return sent


def test_debug_mode_follows_the_code(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    views = site.release / "views.py"
    monkeypatch.setitem(sys.modules, "views", module("views", views))
    assert signals_of(site, monkeypatch, lambda: None, lambda: os.utime(views, (1, 1)), lambda: None) == [signal.SIGINT]


def test_debug_mode_sees_a_file_that_is_gone(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    views = site.release / "views.py"
    monkeypatch.setitem(sys.modules, "views", module("views", views))
    assert signals_of(site, monkeypatch, views.unlink) == [signal.SIGINT]


def test_debug_mode_minds_neither_new_modules_nor_others_files(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    outside = site.root / "library.py"
    monkeypatch.setitem(sys.modules, "library", module("library", outside))

    def import_one() -> None:
        monkeypatch.setitem(sys.modules, "late", module("late", site.release / "late.py"))

    assert signals_of(site, monkeypatch, import_one, lambda: os.utime(outside, (1, 1)), lambda: None) == []


def test_the_code_is_watched_in_debug_mode_only(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    handlers: list[Any] = []
    monkeypatch.setattr(sys.modules["mod_wsgi"], "subscribe_shutdown", handlers.append, raising=False)
    site.start("def application(e, s): pass\n")
    assert handlers == []
    site.application["debug"] = True
    site.start("def application(e, s): pass\n")
    (stop,) = handlers
    (thread,) = [thread for thread in threading.enumerate() if thread.name == "watch"]
    assert thread.daemon, "it keeps no process from ending"
    stop("process_stopping")
    thread.join(5)
    assert not thread.is_alive()


TELLING = """
import runpy, sys, types
module = sys.modules["mod_wsgi"] = types.ModuleType("mod_wsgi")
module.process_group = sys.argv[2]
launcher = runpy.run_path(sys.argv[1])
print(launcher["application"]({}, None))
"""


@pytest.mark.parametrize(("group", "tells"), [("shop", True), ("", False)])
def test_a_daemon_process_tells_its_stacks_and_goes_on(site: Site, group: str, tells: bool) -> None:
    """Upon a signal that nobody else uses, to the error log; a process of httpd's own does not hear it."""
    script = """
import os, signal
def wait_here(environ, start_response):
    os.kill(os.getpid(), signal.SIGURG)
    return [b"it goes on"]
application = wait_here
"""
    path = site.write(script, "launcher" if group else "shop")
    done = subprocess.run(
        [sys.executable, "-c", TELLING, str(path), group], capture_output=True, text=True, timeout=60, check=True
    )
    assert "it goes on" in done.stdout
    assert ("Current thread 0x" in done.stderr) == tells
    assert (", line 4 in wait_here" in done.stderr) == tells


class TestRolling:
    """One process of several has the new release."""

    @pytest.fixture(autouse=True)
    def _exits(self, site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
        self.site = site
        self.ended: list[int] = []
        (site.root / "srv" / "shop").mkdir(parents=True)
        monkeypatch.setattr(os, "_exit", self.ended.append)

    @pytest.mark.parametrize(("note", "ended"), [("{later}\n", [1]), ("1\n", []), ("x\n", []), ("", []), (None, [])])
    def test_one_that_does_not_load_ends_while_others_serve(
        self, note: str | None, ended: list[int], capsys: pytest.CaptureFixture[str]
    ) -> None:
        if note is not None:
            text = note.format(later=int(time.time()) + 60)
            (self.site.root / "srv" / "shop" / "rolling").write_text(text)
        with pytest.raises(RuntimeError, match="no database"):
            self.site.start("raise RuntimeError('no database')\n")
        assert self.ended == ended
        assert ("RuntimeError: no database" in capsys.readouterr().err) == bool(ended)


class TestColours:
    """Of two daemon process groups of an application, one serves; the other one may hold a release."""

    SCRIPT = "import os\nkey = os.environ['KEY']\ndef application(environ, start_response): return [key]\n"

    @pytest.fixture(autouse=True)
    def _colours(self, site: Site, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
        self.site = site
        self.killed: list[tuple[int, int]] = []
        self.stops: list[Any] = []
        mod_wsgi = sys.modules["mod_wsgi"]
        monkeypatch.setattr(mod_wsgi, "process_group", "shop:green")
        monkeypatch.setattr(mod_wsgi, "subscribe_shutdown", self.stops.append, raising=False)
        monkeypatch.setattr(os, "kill", lambda *sent: self.killed.append(sent))
        (site.root / "srv" / "shop").mkdir(parents=True)
        yield
        for stop in self.stops:
            stop("process_stopping")
        for thread in threading.enumerate():
            if thread.name == "colours":
                thread.join(10)

    def start(self, active: str = "", held: str = "") -> list[Any]:
        """What the application of the green group answers, and the status where it says one."""
        self.write("active", active)
        self.write("held", held)
        launcher = self.site.write(self.SCRIPT)
        launcher.write_text(launcher.read_text().replace("REST_SECONDS = 2", "REST_SECONDS = 0.01"))
        folder = self.site.root / "etc" / "shop"
        (folder / "application-green.json").write_text(json.dumps(self.site.application))
        (folder / "environment-green.json").write_text(json.dumps({"KEY": "green"}))
        status: list[str] = []
        found = runpy.run_path(str(launcher))["application"]({}, lambda text, _: status.append(text))
        return [*found, *status]

    def write(self, file: str, text: str) -> None:
        (self.site.root / "srv" / "shop" / file).write_text(text)

    def has_ended(self) -> bool:
        """Whether the process has told itself to go; once at the most."""
        for thread in threading.enumerate():
            if thread.name == "colours":
                thread.join(10)
        return self.killed == [(os.getpid(), signal.SIGUSR1)]

    def test_the_one_that_serves_has_files_of_its_own(self) -> None:
        assert self.start("active shop:green\nresting shop:blue\n") == ["green"]
        assert self.killed == []

    def test_the_one_that_rests_loads_nothing(self) -> None:
        assert self.start("active shop:blue\nresting shop:green\n") == ["503 Service Unavailable"]
        assert "wsgi_script" not in sys.modules
        assert self.killed == []

    @pytest.mark.parametrize(
        ("held", "loads"),
        [("shop:green {later}", True), ("shop:green 1", False), ("shop:blue {later}", False), ("shop:green x", False)],
    )
    def test_a_release_is_held_until_its_time_is_over(self, held: str, loads: bool) -> None:
        text = held.format(later=int(time.time()) + 60)
        assert self.start("active shop:blue\n", text) == (["green"] if loads else ["503 Service Unavailable"])

    @pytest.mark.parametrize("several", ["shop:blue|shop:green", "shop:green|shop:green|shop:blue"])
    def test_one_that_is_tried_and_one_that_serves_beside_do_not_rest(self, several: str) -> None:
        assert self.start(f"active {several}\nresting shop:green\ncanary on\n") == ["green"]

    def test_where_nothing_says_who_serves_it_rests(self) -> None:
        assert self.start() == ["503 Service Unavailable"]

    def test_what_is_held_no_longer_goes(self) -> None:
        assert self.start("active shop:blue\n", f"shop:green {int(time.time()) + 60}") == ["green"]
        self.write("held", "shop:green 1")
        assert self.has_ended()

    def test_who_serves_no_longer_goes(self) -> None:
        assert self.start("active shop:green\n") == ["green"]
        self.write("active", "active shop:blue\nresting shop:green\n")
        assert self.has_ended()

    @pytest.mark.parametrize(
        ("file", "text"), [("active", "active shop:green\n"), ("held", "shop:green 99999999999\n")]
    )
    def test_who_has_loaded_nothing_goes_when_it_is_to_have_something(self, file: str, text: str) -> None:
        self.start("active shop:blue\n")
        self.write(file, text)
        assert self.has_ended()

    @pytest.mark.parametrize(("active", "answer"), [("green", "green"), ("blue", "503 Service Unavailable")])
    def test_a_further_group_has_the_colour_of_the_first(
        self, monkeypatch: pytest.MonkeyPatch, active: str, answer: str
    ) -> None:
        monkeypatch.setattr(sys.modules["mod_wsgi"], "process_group", "shop:green:reports")
        assert self.start(f"active shop:{active}\n") == [answer]

    def test_it_is_held_with_the_first(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(sys.modules["mod_wsgi"], "process_group", "shop:green:reports")
        assert self.start("active shop:blue\n", f"shop:green {int(time.time()) + 60}") == ["green"]

    def test_a_group_that_is_only_called_so_has_the_files_of_all(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(sys.modules["mod_wsgi"], "process_group", "shop:reports")
        self.site.variables = {"KEY": "all"}
        assert self.start("active shop:blue\n") == ["all"]
        assert not [thread for thread in threading.enumerate() if thread.name == "colours"]


class Mover:
    """The service modwsgi-limits as the launcher sees it: whoever connects is moved, after some connections."""

    def __init__(self, folder: Path, after: int = 0) -> None:
        self.path = str(folder / "limits.sock")
        self.group = folder / "cgroup"
        self.group.write_text("0::/system.slice/apache2.service/httpd\n")
        self.after = after
        self.asked = 0
        self.listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.listener.bind(self.path)
        self.listener.listen()
        accept(self.listener, self.treat)

    def treat(self, _: socket.socket) -> None:
        self.asked += 1
        if self.asked > self.after:
            self.group.write_text("0::/system.slice/apache2.service/app-shop\n")


def joining(site: Site, group: Path, service: str) -> tuple[list[int], str]:
    """Load the application in a new process whose control group is in a file; (limits of data and tasks, its log)."""
    site.application.update(control_group=service, memory_max=1 << 31, max_tasks=700)
    path = site.write(
        "import resource\n"
        "found = [resource.getrlimit(kind)[0] for kind in (resource.RLIMIT_DATA, resource.RLIMIT_NPROC)]\n"
        "application = lambda *_: found\n"
    )
    text = path.read_text().replace('"/proc/self/cgroup"', repr(str(group)))
    path.write_text(text.replace("GROUP_SECONDS = 5.0", "GROUP_SECONDS = 0.3"))
    done = subprocess.run([sys.executable, "-c", as_mod_wsgi(path, "shop")], capture_output=True, text=True, check=True)
    return json.loads(done.stdout), done.stderr


@pytest.mark.parametrize("after", [0, 2])
def test_the_application_is_loaded_in_its_control_group(site: Site, tmp_path: Path, after: int) -> None:
    mover = Mover(tmp_path, after)
    found, said = joining(site, mover.group, mover.path)
    assert (mover.asked, said) == (after + 1, "")
    inherited = [resource.getrlimit(kind)[0] for kind in (resource.RLIMIT_DATA, resource.RLIMIT_NPROC)]
    assert found == inherited, "the group bounds memory and tasks"


def test_where_there_is_no_group_each_process_has_the_limit(site: Site, tmp_path: Path) -> None:
    assert joining(site, tmp_path / "none", "") == ([1 << 31, 700], "")


def test_where_the_service_is_not_there_the_application_starts_all_the_same(site: Site, tmp_path: Path) -> None:
    mover = Mover(tmp_path, after=1 << 30)
    for service in (str(tmp_path / "none.sock"), mover.path):
        found, said = joining(site, mover.group, service)
        assert found == [1 << 31, 700]
        assert said == (
            "The application shop starts outside of its control group, since the service that listens on "
            f"{service} did not move it; see `systemctl status modwsgi-limits`.\n"
        )


def test_in_a_chroot_without_proc_nothing_is_waited_for(site: Site, tmp_path: Path) -> None:
    assert joining(site, tmp_path / "none", str(tmp_path / "none.sock")) == ([1 << 31, 700], "")
