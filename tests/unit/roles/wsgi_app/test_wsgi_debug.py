# SPDX-License-Identifier: Apache-2.0
"""wsgi-debug refuses in one sentence, starts what it says, gives it what the application has, and leaves nothing."""

from __future__ import annotations

import grp
import json
import os
import pdb  # noqa: T100 - the subject
import pwd
import signal
import socket
import subprocess
import sys
import time
import traceback
import types
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pexpect
import pytest
from ansible_collections.modwsgi.deploy.plugins.module_utils import layout
from ansible_collections.modwsgi.deploy.plugins.module_utils.deploy import run
from ansible_collections.modwsgi.deploy.plugins.module_utils.mod_wsgi import versions
from support.scripts import ROOT, load_script
from support.shadowing import run_as_mod_wsgi, shadow_python

pytestmark = pytest.mark.slow

ROLE_FILES = ROOT / "roles" / "wsgi_app" / "files"
RUN_TOOL = ROOT / "plugins/module_utils/deploy/run.py"
RUN_TOOL_NAME = Path(layout.RUN_TOOL).name

FACTS: dict[str, Any] = {
    "version": "6.1.1",
    "install_method": "source",
    "interpreter": {"full_version": "3.11.2", "version": "3.11"},
    "express": "/opt/mod_wsgi/bin/mod_wsgi-express",
    "module": "/opt/mod_wsgi/lib/python3.11/site-packages/mod_wsgi/server/mod_wsgi-py311.so",
}

# Stands for the Python of the virtual environment, which runs mod_wsgi-express: tells what it was given, then serves.
SERVER = """#!{python} -I
import json, os, signal, subprocess, sys, time
given = dict(arguments=sys.argv[1:], environment=dict(os.environ), folder=os.getcwd(), session=os.getsid(0))
root = sys.argv[sys.argv.index("--server-root") + 1]
given["helpers"] = sorted(os.listdir(os.path.join(root, "lib")))
given["terminals"] = [os.fstat(fd).st_rdev for fd in range(3) if os.isatty(fd)]
given["descriptors"] = sorted(int(name) for name in os.listdir("/proc/self/fd"))[3:-1]
given["helper"] = subprocess.Popen(["sleep", "60"]).pid
if {stubborn}:
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
with open({report!r} + ".new", "w") as stream:
    json.dump(given, stream)
os.rename({report!r} + ".new", {report!r})
print("serving", flush=True)
if {status} is not None:
    sys.exit({status})
time.sleep(60)
"""


class Host:
    """A host with one application and a module, in a folder; the tools are the real ones, with other constants."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.tools = root / "tools"
        self.tools.mkdir()
        role_files = {name: ROLE_FILES / name for name in ("wsgi_debug.py", "wsgi_terminal.py", "debugged_script.py")}
        for name, source in {RUN_TOOL_NAME: RUN_TOOL, **role_files}.items():
            text = source.read_text()
            text = text.replace('"/etc/wsgi"', repr(str(root / "etc")))
            text = text.replace('"/etc/ansible/facts.d/mod_wsgi.fact"', repr(str(root / "mod_wsgi.fact")))
            text = text.replace('("/tmp", "/var/tmp")', repr((str(root / "tmp"),)))
            text = text.replace("STOP_SECONDS = 3.0", "STOP_SECONDS = 0.2")
            (self.tools / name).write_text(text)
        for folder in ("etc/shop", "release", "static", "venv/bin", "tmp", "state", "mod_wsgi/server"):
            (root / folder).mkdir(parents=True)
        (root / "current").symlink_to("release")
        (root / "express").write_text("")
        user = pwd.getpwuid(os.getuid()).pw_name
        group = grp.getgrgid(os.getgid()).gr_name
        self.application: dict[str, Any] = {
            "name": "shop",
            "user": user,
            "group": group,
            "script": "wsgi.py",
            "callable": "application",
            "lang": "C.UTF-8",
            "locale": "C.UTF-8",
            "python_path": ["lib"],
            "server_name": "shop.example.com",
            "static": [{"url": "/static", "directory": str(root / "current" / ".." / "static"), "cache_seconds": 1}],
            "static_root": "collected",
            "state": str(root / "state"),
            "current": str(root / "current"),
            "venv": str(root / "venv"),
        }
        self.facts: dict[str, Any] = {
            **FACTS,
            "express": str(root / "express"),
            "module": str(root / "mod_wsgi" / "server" / "mod_wsgi.so"),
        }
        self.report = root / "report.json"
        self.write()
        self.let_the_server()

    def write(self) -> None:
        """The configuration as it is now."""
        (self.root / "etc" / "shop" / "application.json").write_text(json.dumps(self.application))
        (self.root / "etc" / "shop" / "environment.json").write_text('{"SECRET": "value"}')
        (self.root / "mod_wsgi.fact").write_text(json.dumps(self.facts))

    def let_the_server(self, status: int | None = None, stubborn: bool = False) -> None:
        """How the server behaves once it has started."""
        path = self.root / "venv" / "bin" / "python"
        values = {"python": sys.executable, "report": str(self.report), "status": status, "stubborn": stubborn}
        path.write_text(SERVER.format(**values))
        path.chmod(0o755)

    def without_terminal(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        """The tool, whose input and output are pipes."""
        command = [sys.executable, str(self.tools / "wsgi_debug.py"), *arguments]
        return subprocess.run(command, input="", capture_output=True, text=True, timeout=30, check=False)

    def start(self, *arguments: str) -> pexpect.spawn[str]:
        """The tool in a terminal."""
        command = [str(self.tools / "wsgi_debug.py"), *arguments, "shop"]
        return pexpect.spawn(sys.executable, command, encoding="utf-8", timeout=30, env={**os.environ, "EVIL": "1"})

    def refusal(self, *arguments: str) -> str:
        """The sentence with which it refuses in a terminal."""
        tool = self.start(*arguments)
        tool.expect(pexpect.EOF)
        tool.close()
        assert tool.exitstatus == 125, tool.before
        return str(tool.before).strip()

    def served(self) -> dict[str, Any]:
        """What the server was given."""
        found: dict[str, Any] = json.loads(self.report.read_text())
        return found


@pytest.fixture(name="host")
def fixture_host(tmp_path: Path) -> Host:
    return Host(tmp_path)


def has_ended(pid: int) -> bool:
    """Whether a process is gone, or only waits for somebody to ask for its exit status."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] == "Z"
    except OSError:
        return True


def end(tool: pexpect.spawn[str]) -> int | None:
    """The exit status, once it has ended."""
    tool.expect(pexpect.EOF)
    tool.close()
    return tool.exitstatus


def test_the_first_version_is_the_one_of_the_table() -> None:
    text = (ROLE_FILES / "wsgi_debug.py").read_text()
    assert f'\nFIRST_VERSION = "{versions.FIRST_WITH_DEBUGGER}"\n' in text


@pytest.mark.parametrize(
    ("facts", "sentence"),
    [
        (
            {"version": "4.9.0"},
            "The debugger of mod_wsgi 4.9.0 cannot read from a terminal; deploy with mod_wsgi_version 4.9.1 or later.",
        ),
        (
            {"version": "4.9.4", "install_method": "package", "express": ""},
            "mod_wsgi 4.9.4 of this host is the distribution's package, which has no mod_wsgi-express; "
            "deploy with mod_wsgi_install_method: source.",
        ),
        (
            {"express": "/opt/mod_wsgi/bin/mod_wsgi-express"},
            "/opt/mod_wsgi/bin/mod_wsgi-express of mod_wsgi 6.1.1 is missing; deploy again (role mod_wsgi).",
        ),
        ({"interpreter": None}, "mod_wsgi.fact is damaged; deploy again (role mod_wsgi)."),
    ],
)
def test_a_module_that_cannot_debug_is_refused(host: Host, facts: dict[str, Any], sentence: str) -> None:
    host.facts.update(facts)
    host.write()
    for check in ([], ["--check"]):
        assert host.refusal(*check).endswith(sentence)
    assert not host.report.exists()


@pytest.mark.parametrize("version", ["4.9.1", "4.10", "5.0.2", "6.1.1"])
def test_later_modules_are_taken(host: Host, version: str) -> None:
    host.facts["version"] = version
    host.write()
    assert host.without_terminal("--check", "shop").returncode == 0


def test_a_host_without_the_module_is_refused(host: Host) -> None:
    (host.root / "mod_wsgi.fact").unlink()
    assert "mod_wsgi.fact on this host; deploy first (role mod_wsgi)." in host.refusal()
    (host.root / "mod_wsgi.fact").write_text("{")
    assert "mod_wsgi.fact is damaged; deploy again (role mod_wsgi)." in host.refusal()


def test_an_unknown_application_is_refused(host: Host) -> None:
    for arguments in (["blog"], ["--check", "blog"]):
        done = host.without_terminal(*arguments)
        assert (done.returncode, done.stdout) == (125, "")
        assert done.stderr == "wsgi-debug: There is no application blog on this host (there is: shop).\n"


def test_without_a_terminal_it_refuses(host: Host) -> None:
    done = host.without_terminal("shop")
    assert (done.returncode, done.stdout) == (125, "")
    assert done.stderr == (
        "wsgi-debug: Standard input and output have to be a terminal; give one with `ssh -t` or `docker exec -it`.\n"
    )
    assert not host.report.exists()


def test_check_needs_no_terminal_and_says_what_to_type(host: Host) -> None:
    assert host.without_terminal("--check", "shop").stdout == "wsgi-debug shop\n"
    options = ["--startup", "--port", "8000"]
    assert host.without_terminal("--check", *options, "shop").stdout == "wsgi-debug --startup --port 8000 shop\n"
    assert not host.report.exists()


def test_the_module_is_that_of_the_instance_whose_facts_are_named(host: Host) -> None:
    (host.root / "second.fact").write_text(json.dumps({**host.facts, "install_method": "package"}))
    facts = ["--facts", str(host.root / "second.fact")]
    assert "is the distribution's package" in host.refusal(*facts)
    (host.root / "second.fact").write_text(json.dumps(host.facts))
    assert host.without_terminal("--check", *facts, "shop").stdout == f"wsgi-debug {' '.join(facts)} shop\n"


def test_another_account_is_refused(
    host: Host, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setitem(sys.modules, "wsgi_run", run)
    monkeypatch.setattr(run, "CONFIGURATION_ROOT", str(host.root / "etc"))
    monkeypatch.setitem(sys.modules, "wsgi_terminal", load_script("roles/wsgi_app/files/wsgi_terminal.py"))
    monkeypatch.setattr(os, "geteuid", lambda: os.getuid() + 1)
    tool = load_script("roles/wsgi_app/files/wsgi_debug.py")
    for check in ([], ["--check"]):
        with pytest.raises(SystemExit) as ended:
            tool.main([*check, "shop"])
        assert ended.value.code == 125
        sentence = f"Only root and {host.application['user']} may do this; call it with sudo."
        assert capsys.readouterr().err == f"wsgi-debug: {sentence}\n"


def test_a_port_in_use_is_refused(host: Host) -> None:
    with socket.create_server(("127.0.0.1", 0)) as busy:
        port = busy.getsockname()[1]
        sentence = f"Port {port} of 127.0.0.1 cannot be used (Address already in use); choose another one with --port."
        assert host.refusal("--port", str(port)) == f"wsgi-debug: {sentence}"
    assert list((host.root / "tmp").iterdir()) == []


@pytest.mark.parametrize("port", ["0", "65536", "-1", "http"])
def test_what_is_no_port_is_refused(host: Host, port: str) -> None:
    done = host.without_terminal(f"--port={port}", "shop")
    assert done.returncode == 2
    assert "is not a port; write a number from 1 to 65535" in done.stderr


def test_a_host_where_no_folder_can_hold_programs(host: Host) -> None:
    (host.root / "tmp").rmdir()
    (host.root / "state").rmdir()
    assert "A temporary folder whose mount allows programs is needed, and none of " in host.refusal()


def test_the_help_says_what_a_resized_window_does(host: Host) -> None:
    done = host.without_terminal("--help")
    assert done.returncode == 0
    assert "A resized window does no harm here." in done.stdout
    assert "has only the prefork MPM" in done.stdout


def option(arguments: list[str], name: str) -> str:
    return arguments[arguments.index(name) + 1]


def test_the_server_is_express_in_debug_mode_with_the_application_s_python(host: Host) -> None:
    tool = host.start("--startup")
    tool.expect(r"http://127\.0\.0\.1:(\d+)/ \(release release, mod_wsgi 6\.1\.1, Python 3\.11\.2\)")
    port = tool.match[1]
    tool.expect_exact(f"curl -H 'Host: shop.example.com' http://127.0.0.1:{port}/")
    tool.expect_exact("serving")
    given = host.served()
    arguments = given["arguments"]
    assert arguments[:3] == [str(host.root / "express"), "start-server", str(host.tools / "debugged_script.py")]
    assert {"--debug-mode", "--enable-debugger", "--debugger-startup"} < set(arguments)
    assert (option(arguments, "--host"), option(arguments, "--port")) == ("127.0.0.1", port)
    assert option(arguments, "--working-directory") == given["folder"] == str(host.root / "release")
    alias = arguments.index("--url-alias")
    assert arguments[alias + 1 :] == ["/static", str(host.root / "static")]
    assert given["helpers"] == ["mod_wsgi", "wsgi_run.py"]
    root = option(arguments, "--server-root")
    assert Path(root).parent == host.root / "tmp"
    tool.sendintr()
    assert end(tool) == 0
    assert not Path(root).exists()


def test_without_startup_the_debugger_waits_for_an_exception(host: Host) -> None:
    host.let_the_server(status=0)
    assert end(host.start()) == 0
    assert "--debugger-startup" not in host.served()["arguments"]


def test_the_server_gets_no_variable_of_the_caller_s_nor_the_application_s_own(host: Host) -> None:
    host.let_the_server(status=0)
    end(host.start())
    given = host.served()["environment"]
    assert not {"EVIL", "SECRET"} & set(given)
    assert given["WSGI_APP"] == "shop"
    assert given["PYTHONPATH"] == option(host.served()["arguments"], "--server-root") + "/lib"


def test_the_server_does_not_hear_of_the_terminal_s_window(host: Host) -> None:
    tool = host.start()
    tool.expect_exact("serving")
    assert host.served()["session"] != os.getsid(tool.pid)
    tool.setwinsize(20, 60)
    tool.sendintr()
    assert end(tool) == 0


@pytest.mark.root("the application's own account has its own terminal")
def test_the_server_has_not_the_terminal_of_root(host: Host) -> None:
    tool = host.start()
    tool.expect_exact("serving")
    given = host.served()
    (own,) = set(given["terminals"])
    assert len(given["terminals"]) == 3, "it can still ask and answer"
    assert own != os.stat(f"/proc/{tool.pid}/fd/0").st_rdev
    assert given["descriptors"] == []
    tool.sendintr()
    assert end(tool) == 0


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_each_way_to_end_it_leaves_nothing(host: Host, number: signal.Signals) -> None:
    tool = host.start()
    tool.expect_exact("serving")
    tool.kill(number)
    assert end(tool) == 0
    assert list((host.root / "tmp").iterdir()) == []
    assert has_ended(host.served()["helper"]), "also what the application has started"


def test_a_closed_terminal_ends_it(host: Host) -> None:
    tool = host.start()
    tool.expect_exact("serving")
    os.close(tool.child_fd)
    assert os.waitstatus_to_exitcode(os.waitpid(tool.pid, 0)[1]) == 0
    assert list((host.root / "tmp").iterdir()) == []
    assert has_ended(host.served()["helper"])
    tool.ptyproc.closed = tool.closed = True


def test_a_server_that_does_not_end_is_killed(host: Host) -> None:
    host.let_the_server(stubborn=True)
    tool = host.start()
    tool.expect_exact("serving")
    tool.sendintr()
    assert end(tool) == 0
    assert list((host.root / "tmp").iterdir()) == []
    assert has_ended(host.served()["helper"])


def test_a_server_that_fails_passes_its_status_on(host: Host) -> None:
    host.let_the_server(status=3)
    assert end(host.start()) == 3
    assert list((host.root / "tmp").iterdir()) == []
    assert has_ended(host.served()["helper"])


def test_the_server_does_not_outlive_a_tool_that_is_killed(host: Host) -> None:
    tool = host.start()
    tool.expect_exact("serving")
    session = host.served()["session"]
    tool.kill(signal.SIGKILL)
    tool.wait()
    deadline = time.monotonic() + 30
    while not has_ended(session):
        assert time.monotonic() < deadline, "the server is still there"


# ---------------------------------------------------------------- the script in the server


class Express:
    """Loads the script as mod_wsgi-express does."""

    def __init__(self, host: Host) -> None:
        self.host = host

    def load(self, script: str) -> Any:
        """What it serves when the application's own script is this one."""
        (self.host.root / "release" / self.host.application["script"]).write_text(script)
        self.host.write()
        module = types.ModuleType("__wsgi__")
        path = ROLE_FILES / "debugged_script.py"
        module.__file__ = str(path)
        exec(compile(path.read_text(), str(path), "exec", dont_inherit=True), module.__dict__)
        return module.__dict__["application"]


@pytest.fixture(name="express")
def fixture_express(host: Host, monkeypatch: pytest.MonkeyPatch) -> Iterator[Express]:
    monkeypatch.setitem(sys.modules, "wsgi_run", run)
    monkeypatch.setattr(run, "CONFIGURATION_ROOT", str(host.root / "etc"))
    monkeypatch.setattr(pdb, "Pdb", pdb.Pdb)
    before, path = dict(os.environ), list(sys.path)
    helpers = str(host.root / "lib-of-the-server")
    sys.path.insert(0, helpers)
    os.environ.update(WSGI_APP="shop", PYTHONPATH=helpers, MOD_WSGI_DEBUG_MODE="true", SHLVL="0", TERM="xterm")
    yield Express(host)
    os.environ.clear()
    os.environ.update(before)
    sys.path[:] = path
    sys.modules.pop("wsgi_script", None)


def test_the_application_finds_what_wsgi_run_gives(host: Host, express: Express) -> None:
    script = "import os, sys\nseen = dict(os.environ)\ndef application(e, s): return seen, list(sys.path)\n"
    seen, path = express.load(script)({}, None)
    current = run.deployment("shop")
    assert seen == run.environment(*current, inherited={**seen, "PATH": "/other"})
    assert (seen["SECRET"], seen["TERM"]) == ("value", "xterm")
    assert not {"MOD_WSGI_DEBUG_MODE", "SHLVL"} & set(seen)
    assert seen["PYTHONPATH"] == str(host.root / "release" / "lib")
    assert path[:2] == [str(host.root / "release"), str(host.root / "release" / "lib")]
    assert str(host.root / "lib-of-the-server") not in path


def test_what_the_script_imports_are_python_s_own_modules(host: Host) -> None:
    """An application may have modules that are called like Python's; mod_wsgi-express searches its folder first."""
    release = host.root / "release"
    (release / "wsgi.py").write_text("import sys\nprint(sys.path[0])\ndef application(e, s): return []\n")
    shadow_python(release)
    variables = {"WSGI_APP": "shop", "PYTHONPATH": str(host.tools)}
    done = run_as_mod_wsgi(host.tools / "debugged_script.py", [release, host.tools], variables, group="")
    assert (done.returncode, done.stdout, done.stderr) == (0, f"{release}\n", "")


def test_another_script_and_callable(host: Host, express: Express) -> None:
    host.application.update(script="start.py", callable="factory.app")
    script = "class factory:\n    @staticmethod\n    def app(environ, start_response): return [b'x']\n"
    assert express.load(script)({}, None) == [b"x"]


def test_a_traceback_shows_the_real_file(host: Host, express: Express) -> None:
    application = express.load("def application(e, s):\n    raise KeyError('x')\n")
    with pytest.raises(KeyError) as error:
        application({}, None)
    frame = traceback.extract_tb(error.value.__traceback__)[-1]
    assert (frame.filename, frame.lineno) == (str(host.root / "release" / "wsgi.py"), 2)


def test_the_debugger_opens_where_loading_fails_each_time(
    host: Host, express: Express, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    opened: list[Any] = []
    monkeypatch.setattr(pdb, "post_mortem", opened.append)
    for _ in range(2):
        with pytest.raises(ZeroDivisionError):
            express.load("x = 1\ny = 1 / 0\n")
        frame = traceback.extract_tb(opened.pop())[-1]
        assert (frame.filename, frame.lineno) == (str(host.root / "release" / "wsgi.py"), 2)
        assert "ZeroDivisionError: division by zero" in capsys.readouterr().out
    assert express.load("def application(e, s): return 1\n")({}, None) == 1


def test_the_debugger_leaves_control_c_to_the_server(express: Express) -> None:
    express.load("def application(e, s): pass\n")
    assert pdb.Pdb().nosigint is True
