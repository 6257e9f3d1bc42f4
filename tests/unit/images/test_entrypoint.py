# SPDX-License-Identifier: Apache-2.0
"""The image's entry point refuses in one sentence with status 64, or becomes httpd with what it has checked."""

from __future__ import annotations

import json
import os
import pwd
import signal
import subprocess
import sys
import time
from email.message import Message
from pathlib import Path
from typing import Any

import pexpect
import pytest
from support.answering import answering
from support.scripts import ROOT, load_script
from support.shadowing import run_as_mod_wsgi, shadow_python

pytestmark = pytest.mark.slow

RUNTIME_FILES = ROOT / "images" / "mod-wsgi" / "runtime"
LOADING = ROOT / "roles" / "wsgi_app" / "files" / "loading.py"

# Stands for httpd, for mod_wsgi-express and for the Python that runs it: tells what it was given.
PROGRAM = """#!{python} -I
import json, os, signal, sys, time
if sys.argv[1:] == ["-v"]:
    print("Server version: Apache/2.4.99 (Debian)")
    sys.exit(0)
given = dict(arguments=sys.argv, environment=dict(os.environ), folder=os.getcwd(), pid=os.getpid())
given["pipe"] = signal.getsignal(signal.SIGPIPE) == signal.SIG_DFL or "exec"
try:
    os.close(os.open("/dev/tty", os.O_RDWR))
    given["terminal"] = True
except OSError:
    given["terminal"] = False
with open({report!r}, "w") as stream:
    json.dump(given, stream)
print("serving", flush=True)
if {waits}:
    time.sleep(60)
sys.exit({status})
"""


class Container:
    """The inside of a container, in a folder; the files are the real ones, with other constants."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.library = root / "library"
        for folder in ("library", "app", "venv/bin", "hooks", "tmp"):
            (root / folder).mkdir(parents=True)
        for name in ("settings", "entrypoint", "application", "health", "static_files"):
            text = (RUNTIME_FILES / f"{name}.py").read_text()
            for old, new in (
                ('"/app"', root / "app"),
                ('"/opt/venv"', root / "venv"),
                ('"/tmp/modwsgi"', root / "tmp" / "modwsgi"),
                ('"/tmp/home-"', root / "tmp" / "home-"),
                ('"/etc/mod-wsgi/hooks.d"', root / "hooks"),
                ('"/usr/sbin/apache2"', root / "apache2"),
            ):
                text = text.replace(old, repr(str(new)))
            text = text.replace("os.geteuid() == 0", "False")  # the folder is the tests' user's alone
            text = text.replace("DEBUG_STOP_SECONDS = 3.0", "DEBUG_STOP_SECONDS = 0.5")
            (self.library / f"{name}.py").write_text(text)
        (self.library / "loading.py").write_text(LOADING.read_text())
        (self.library / "image.json").write_text(
            json.dumps({"mod_wsgi": "6.1.1", "express": "/opt/express", "package": str(root / "package")})
        )
        (root / "venv" / "bin" / "python").symlink_to(sys.executable)
        self.report = root / "report.json"
        self.program("apache2")
        self.script("def application(environ, start_response): pass\n")

    def program(self, path: str, status: int = 0, waits: bool = False) -> None:
        """Put a program there that tells what it is given."""
        file = self.root / path
        file.unlink(missing_ok=True)
        file.write_text(PROGRAM.format(python=sys.executable, report=str(self.report), status=status, waits=waits))
        file.chmod(0o755)

    def script(self, text: str) -> None:
        (self.root / "app" / "wsgi.py").write_text(text)

    def hook(self, name: str, text: str, mode: int = 0o755) -> None:
        path = self.root / "hooks" / name
        path.write_text(text)
        path.chmod(mode)

    def command(self, *words: str) -> list[str]:
        return [sys.executable, "-I", "-S", str(self.library / "entrypoint.py"), *words]

    def environment(self, **variables: str) -> dict[str, str]:
        return {"PATH": "/usr/bin:/bin", **variables}

    def run(self, *words: str, **variables: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            self.command(*words),
            env=self.environment(**variables),
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
            start_new_session=True,
        )

    def refusal(self, *words: str, **variables: str) -> str:
        """The sentence of a start that is refused."""
        done = self.run(*words, **variables)
        assert (done.returncode, done.stdout) == (64, ""), done.stderr
        assert not self.report.exists(), "nothing is served"
        return done.stderr

    def given(self) -> dict[str, Any]:
        """What the program was given."""
        found: dict[str, Any] = json.loads(self.report.read_text())
        return found


@pytest.fixture(name="container")
def fixture_container(tmp_path: Path) -> Container:
    return Container(tmp_path)


def test_it_becomes_httpd(container: Container) -> None:
    process = subprocess.Popen(
        container.command(), env=container.environment(OWN="1"), stdin=subprocess.DEVNULL, stdout=subprocess.PIPE
    )
    assert process.communicate(timeout=60)[0] == b"serving\n"
    given = container.given()
    assert given["pid"] == process.pid
    assert given["arguments"] == [str(container.root / "apache2"), "-DWSGI_SETTINGS", "-DFOREGROUND"]
    variables = given["environment"]
    runtime = str(container.root / "tmp" / "modwsgi")
    assert {variables[f"APACHE_{name}_DIR"] for name in ("RUN", "LOCK", "LOG")} == {runtime}
    assert variables["APACHE_PID_FILE"] == f"{runtime}/apache2.pid"
    assert (variables["OWN"], variables["WSGI_PROCESSES"], variables["LANG"]) == ("1", "2", "C.UTF-8")
    assert variables["PATH"] == f"{container.root}/venv/bin:/usr/bin:/bin"
    assert (container.root / "tmp" / "modwsgi").stat().st_mode & 0o777 == 0o711


def test_programs_of_the_virtual_environment_come_first_for_the_application(container: Container) -> None:
    programs = f"{container.root}/venv/bin"
    done = container.run(PATH=f"/opt/pip/bin:/usr/bin:/bin:{programs}")
    assert done.returncode == 0, done.stderr
    assert container.given()["environment"]["PATH"] == f"{programs}:/opt/pip/bin:/usr/bin:/bin"


@pytest.mark.parametrize("home", ["", "/", pwd.getpwuid(os.geteuid()).pw_dir])
def test_the_application_has_a_home_where_an_engine_names_none(container: Container, home: str) -> None:
    done = container.run(HOME=home)
    assert done.returncode == 0, done.stderr
    variables, name = container.given()["environment"], pwd.getpwuid(os.geteuid()).pw_name
    folder = f"{container.root}/tmp/home-{os.geteuid()}"
    assert [variables[name] for name in ("HOME", "USER", "LOGNAME")] == [folder, name, name]
    # For application.py.
    assert [variables[f"MODWSGI_{name}"] for name in ("HOME", "USER", "LOGNAME")] == [folder, name, name]
    assert os.stat(folder).st_mode & 0o777 == 0o700
    (Path(folder) / "kept").touch()
    assert container.run(HOME=home).returncode == 0
    assert (Path(folder) / "kept").exists(), "over a restart"


def test_a_home_of_somebody_else_is_refused(container: Container) -> None:
    (container.root / "elsewhere").mkdir()
    folder = container.root / "tmp" / f"home-{os.geteuid()}"
    folder.symlink_to(container.root / "elsewhere")
    assert container.refusal() == (
        f"mod-wsgi: {folder}, the application's home, is another user's; remove it, set HOME, or give the container "
        f"a new {container.root}/tmp.\n"
    )
    # A command may not need one.
    done = container.run("python", "-c", "print('runs')")
    assert (done.returncode, done.stdout) == (0, "runs\n")
    assert "is another user's" in done.stderr


def test_missing_files_are_refused(container: Container) -> None:
    script = container.root / "app" / "wsgi.py"
    script.unlink()
    sentence = container.refusal()
    assert sentence == (
        f"mod-wsgi: WSGI_SCRIPT is {script}, and the container has no such file; "
        "copy the application there, or set WSGI_SCRIPT.\n"
    )
    assert "no such folder" in container.refusal(WSGI_HOME="/nonexistent", WSGI_SCRIPT=str(container.library / "x"))


def test_what_is_of_another_kind_is_not_called_missing(container: Container) -> None:
    script = container.root / "app" / "wsgi.py"
    assert container.refusal(WSGI_STATIC_URL="/s", WSGI_STATIC_PATH=str(script), WSGI_SCRIPT="/") == (
        "mod-wsgi: WSGI_SCRIPT is /, which is there and is no file; set WSGI_SCRIPT to a file.\n"
        f"mod-wsgi: WSGI_STATIC_PATH is {script}, which is there and is no folder; set WSGI_STATIC_PATH to a folder.\n"
    )


def test_a_script_that_does_not_import_is_refused_with_its_traceback(container: Container) -> None:
    container.script("import os\n\nraise ValueError('broken')\n")
    told = container.refusal()
    script = container.root / "app" / "wsgi.py"
    assert f'File "{script}", line 3' in told
    assert told.splitlines()[-2] == "ValueError: broken"
    assert told.splitlines()[-1] == (
        f"mod-wsgi: {script} cannot be imported (see above); correct it, or set WSGI_CHECK_IMPORT=Off to start all the "
        "same."
    )
    assert container.run(WSGI_CHECK_IMPORT="Off").returncode == 0


@pytest.mark.parametrize("text", ["import sys\nsys.exit(0)\n", "def app(e, s): pass\n", "def f(:\n"])
def test_other_scripts_that_cannot_be_served(container: Container, text: str) -> None:
    container.script(text)
    assert "cannot be imported (see above)" in container.refusal()


@pytest.mark.parametrize(
    ("text", "how"),
    [
        ("os._exit(0)", "its process ended with status 0"),
        ("os._exit(3)", "its process ended with status 3"),
        ("os.kill(os.getpid(), 11)", "its process was ended by signal SIGSEGV"),
        ("os.kill(os.getpid(), 9)", "its process was ended by signal SIGKILL, as the kernel does when memory is short"),
    ],
)
def test_a_script_that_ends_its_process_is_refused_and_it_is_said_how(
    container: Container, text: str, how: str
) -> None:
    container.script(f"import os\n{text}\ndef application(e, s): pass\n")
    assert f"wsgi.py cannot be imported ({how}); correct it" in container.refusal()


@pytest.mark.parametrize("text", ["time.sleep(60)", "ctypes.PyDLL(None).sleep(60)"])
def test_a_script_that_hangs_is_refused_with_its_place(container: Container, text: str) -> None:
    container.script(f"import ctypes, time\n{text}\n")
    told = container.refusal(WSGI_STARTUP_TIMEOUT="1")
    assert f'File "{container.root}/app/wsgi.py", line 2' in told
    assert "its process ended with status 1, as after 1 s (WSGI_STARTUP_TIMEOUT); see above" in told


def test_what_the_image_imports_are_python_s_own_modules(container: Container) -> None:
    """An application may have modules that are called like Python's; mod_wsgi searches its folder first."""
    container.script("import sys\nprint(sys.path[0])\ndef application(environ, start_response): pass\n")
    home = container.root / "app"
    shadow_python(home)
    notes = container.root / "tmp" / "loading"
    variables = {"WSGI_SCRIPT": str(home / "wsgi.py"), "WSGI_CALLABLE": "application", "WSGI_HOME": str(home)}
    variables |= {"WSGI_STARTUP_TIMEOUT": "15", "APACHE_RUN_DIR": str(notes.parent)}
    variables |= {"MODWSGI_HOME": "/tmp", "MODWSGI_USER": "wsgi", "MODWSGI_LOGNAME": "wsgi"}
    for debugger in ({}, {"MODWSGI_DEBUGGER": "1"}):
        done = run_as_mod_wsgi(container.library / "application.py", [home], {**variables, **debugger})
        assert (done.returncode, done.stdout, done.stderr) == (0, f"{home}\n", "")
    assert notes.is_dir()


def test_a_thread_of_the_application_does_not_hold_up_the_check(container: Container) -> None:
    container.script(
        "import threading, time\nthreading.Thread(target=time.sleep, args=(60,)).start()\ndef application(e, s): pass\n"
    )
    began = time.monotonic()
    assert container.run().returncode == 0
    assert time.monotonic() - began < 30


def test_the_application_finds_its_own_modules_and_none_of_the_image_s(container: Container) -> None:
    (container.root / "app" / "health.py").write_text("MINE = True\n")
    container.script("import health\nassert health.MINE\nclass x:\n    @staticmethod\n    def app(e, s): pass\n")
    assert container.run(WSGI_CALLABLE="x.app").returncode == 0
    container.report.unlink()
    container.script("import settings\n")
    assert "ModuleNotFoundError: No module named 'settings'" in container.refusal()


def test_an_asgi_application_is_refused(container: Container) -> None:
    container.script("class App:\n    async def __call__(self, scope, receive, send): pass\napplication = App()\n")
    assert "is an ASGI application, which mod_wsgi does not serve; wrap it by an adapter" in container.refusal()


def test_hooks_run_in_order_before_the_import(container: Container) -> None:
    log = container.root / "log"
    container.hook("20-second", f"#!/bin/sh\necho second $WSGI_PORT >> {log}\n")
    container.hook("10-first", f"#!/bin/sh\npwd >> {log}\n")
    container.script(f"open({str(log)!r}, 'a').write('imported')\ndef application(e, s): pass\n")
    assert container.run().returncode == 0
    assert log.read_text() == f"{container.root}/app\nsecond 8080\nimported"


def test_hooks_that_fail_are_refused(container: Container) -> None:
    container.hook("10-x", "#!/bin/sh\nexit 3\n")
    assert "10-x ended with status 3; correct it or remove it." in container.refusal()
    container.hook("10-x", "#!/nonexistent\n")
    assert "10-x cannot be run (No such file or directory)" in container.refusal()
    container.hook("10-x", "#!/bin/sh\n", mode=0o644)
    assert "10-x is not executable" in container.refusal()


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGWINCH, signal.SIGINT])
def test_a_stop_is_obeyed_while_a_hook_runs(container: Container, number: signal.Signals) -> None:
    mark = container.root / "mark"
    container.hook("10-long", f"#!/bin/sh\ntouch {mark}\nexec sleep 60\n")
    process = subprocess.Popen(container.command(), env=container.environment(), stdin=subprocess.DEVNULL)
    while not mark.exists():
        time.sleep(0.01)
    process.send_signal(number)
    assert process.wait(timeout=30) == 0
    assert not container.report.exists()


def test_what_an_earlier_run_has_left_is_removed(container: Container) -> None:
    folder = container.root / "tmp" / "modwsgi"
    (folder / "debug").mkdir(parents=True)
    (folder / "apache2.pid").write_text(f"{os.getpid()}\n")
    (folder / "wsgi.1.0.1.sock").write_text("")
    assert container.run().returncode == 0
    assert [path.name for path in folder.iterdir()] == ["loading"], "this one is new"
    assert list((folder / "loading").iterdir()) == []


def test_a_second_server_is_refused(container: Container) -> None:
    folder = container.root / "tmp" / "modwsgi"
    folder.mkdir()
    name = container.root / "bin" / "apache2"
    name.parent.mkdir()
    name.symlink_to("/bin/sleep")
    with subprocess.Popen([str(name), "60"]) as other:
        (folder / "apache2.pid").write_text(f"{other.pid}\n")
        assert "httpd runs in this container already" in container.refusal()
        other.kill()


def test_a_place_that_cannot_be_written_is_refused(container: Container) -> None:
    (container.root / "tmp").rmdir()
    assert "give the container a tmpfs there, e.g. --tmpfs" in container.refusal()


def test_a_misspelt_word_runs_nothing(container: Container) -> None:
    assert container.refusal("ls") == (
        "mod-wsgi: 'ls' is not a word of this image, which are serve, debug, shell, python, check, version, help; "
        "to run another program, name it with --entrypoint.\n"
    )
    for word in ("serve", "check", "version", "shell", "help"):
        assert f"`{word}` takes nothing more" in container.refusal(word, "-D")
    assert "`debug` takes only --startup" in container.refusal("debug", "--port")


def test_check_tests_the_import_and_the_configuration(container: Container) -> None:
    assert container.run("check", WSGI_CHECK_IMPORT="Off").returncode == 0
    assert container.given()["arguments"][1:] == ["-DWSGI_SETTINGS", "-t"]
    container.program("apache2", status=1)
    done = container.run("check")
    assert done.returncode == 64
    assert "httpd refuses its configuration (see above)" in done.stderr
    container.script("x = 1 / 0\n")
    assert "ZeroDivisionError" in container.run("check").stderr


def test_help_names_every_word_and_setting(container: Container) -> None:
    for word in ("help", "--help", "-h"):
        said = container.run(word).stdout
        assert "docker run" in said
        assert "WSGI_CHECK_IMPORT=On" in said
        assert "debug" in said


def terminal(container: Container, *words: str, **variables: str) -> pexpect.spawn[str]:
    command, *arguments = container.command(*words)
    return pexpect.spawn(
        command, arguments, env=container.environment(TERM="dumb", **variables), encoding="utf-8", timeout=30
    )


def test_httpd_has_no_terminal_that_could_be_resized(container: Container) -> None:
    tool = terminal(container)
    tool.expect_exact("Port 8080 is served; `docker stop` ends it.")
    tool.expect_exact("serving")
    tool.expect(pexpect.EOF)
    assert container.given()["terminal"] is False


def test_a_resized_window_does_not_end_the_start(container: Container) -> None:
    container.hook("10-long", "#!/bin/sh\necho hook\nsleep 1\n")
    tool = terminal(container)
    tool.expect_exact("hook")
    tool.setwinsize(20, 60)
    tool.expect_exact("serving")


def option(arguments: list[str], name: str) -> str:
    return arguments[arguments.index(name) + 1]


def test_debug_is_express_with_the_application_s_python(container: Container) -> None:
    container.program("venv/bin/python", waits=True)
    tool = terminal(container, "debug", "--startup", WSGI_DESTROY_INTERPRETER="Off", PYTHONPATH="/mine")
    tool.expect_exact("The application under the debugger, on port 8080.")
    tool.expect_exact("serving")
    given = container.given()
    arguments = given["arguments"]
    assert arguments[1:4] == ["/opt/express", "start-server", str(container.library / "application.py")]
    assert {"--debug-mode", "--enable-debugger", "--debugger-startup", "--orphan-interpreter"} < set(arguments)
    assert (option(arguments, "--port"), given["folder"]) == ("8080", str(container.root / "app"))
    root = container.root / "tmp" / "modwsgi" / "debug"
    assert option(arguments, "--server-root") == str(root)
    assert given["environment"]["PYTHONPATH"] == f"{root}/lib:/mine"
    assert (root / "lib" / "mod_wsgi").readlink() == container.root / "package"
    assert given["terminal"] is False
    tool.setwinsize(20, 60)
    tool.sendintr()
    tool.expect(pexpect.EOF)
    tool.close()
    assert tool.exitstatus == 0


def test_plain_debug_destroys_interpreters_and_waits_for_an_exception(container: Container) -> None:
    container.program("venv/bin/python", status=3)
    tool = terminal(container, "debug")
    tool.expect(pexpect.EOF)
    tool.close()
    assert tool.exitstatus == 3
    assert not {"--debugger-startup", "--orphan-interpreter"} & set(container.given()["arguments"])


def test_sigterm_ends_debug_and_a_resized_window_does_not(container: Container) -> None:
    container.program("venv/bin/python", waits=True)
    tool = terminal(container, "debug")
    tool.expect_exact("serving")
    tool.kill(signal.SIGWINCH)
    time.sleep(0.5)
    assert tool.isalive()
    tool.kill(signal.SIGTERM)
    tool.expect(pexpect.EOF)
    tool.close()
    assert tool.exitstatus == 0


def test_health_asks_the_application(container: Container) -> None:
    hosts: list[str | None] = []

    def answer(path: str, headers: Message) -> tuple[int, bytes]:
        hosts.append(headers["Host"])
        secure = headers["X-Forwarded-Proto"] == "https"
        return {"/good": 200, "/moved": 302, "/secure": 200 if secure else 301}.get(path, 500), b""

    with answering(answer, location="https://shop.example/\x1b[31m" + "x" * 300) as port:

        def health(path: str, **variables: str) -> tuple[int, str]:
            done = subprocess.run(
                [sys.executable, "-I", "-S", str(container.library / "health.py")],
                env=container.environment(WSGI_PORT=str(port), WSGI_HEALTH_PATH=path, **variables),
                capture_output=True,
                text=True,
                timeout=30,
                check=False,
            )
            return done.returncode, done.stdout.strip()

        assert health("/good", WSGI_HEALTH_HOST="shop.example.com") == (0, "healthy")
        assert hosts == ["shop.example.com"]
        assert health("/moved") == (0, "healthy")
        assert health("/bad") == (1, f"Port {port} answers /bad with status 500.")
        assert health("bad")[0] == 1
        assert health("/secure") == (0, "healthy"), "it has answered, whatever it is behind that"
        assert health("/secure", WSGI_HEALTH_SCHEME="https") == (0, "healthy")
        status, sentence = health("/moved", WSGI_HEALTH_SCHEME="https")
        assert status == 1
        assert sentence.startswith(f"Port {port} answers /moved with status 302 (to 'https://shop.example/\\x1b[31mxx")
        assert len(sentence) < 300
    status, sentence = health("/good")
    assert status == 1
    assert sentence.startswith(f"Port {port} does not answer /good: ")


def test_static_files_that_visitors_would_not_get_are_told(container: Container) -> None:
    """By who serves them: the sentences come from a process of that account."""
    folder = container.root / "app" / "static"
    (folder / ".hidden").mkdir(parents=True)
    (folder / ".hidden" / "secret").symlink_to("nothing")
    variables = {"WSGI_STATIC_URL": "/static/", "WSGI_STATIC_PATH": str(folder), "WSGI_CHECK_IMPORT": "Off"}
    (folder / "good.css").write_text("body {}\n")
    assert container.run("serve", **variables).stderr == ""
    (folder / "deep").mkdir()
    for name in ("a.css", "b\x1b.css"):
        (folder / "deep" / name).symlink_to("nothing")  # root, who may run this, reads every file
    for name in ("logo.png", "photo.png"):
        (folder / name).write_text("version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 130\n")
    closed, pointer = container.run("serve", **variables).stderr.splitlines()
    assert closed == (
        f"mod-wsgi: {folder}/deep/a.css cannot be read by user {os.geteuid()} (one of 2), so visitors get 403; let "
        f"everybody read WSGI_STATIC_PATH in the image: chmod -R a+rX {folder}."
    )
    assert pointer.startswith(f"mod-wsgi: {folder}/logo.png is a pointer of Git LFS and not the file itself (one of 2)")
    assert container.given()["arguments"], "it serves the others"


def test_a_static_folder_that_httpd_cannot_enter_is_refused(container: Container) -> None:
    """Whoever runs this test may enter it, so the program that looks says no by itself."""
    folder = container.root / "app" / "static"
    folder.mkdir()
    program = container.library / "static_files.py"
    program.write_text(program.read_text().replace("os.access(folder, os.X_OK)", "False"))
    sentence = container.refusal("serve", WSGI_STATIC_URL="/static/", WSGI_STATIC_PATH=str(folder))
    assert sentence == (
        f"mod-wsgi: WSGI_STATIC_PATH is {folder}, which user {os.geteuid()} may not enter; let everybody read and "
        "enter it in the image.\n"
    )


def test_the_debugger_serves_below_the_same_path() -> None:
    entrypoint: Any = load_script("images/mod-wsgi/runtime/entrypoint.py")
    values = entrypoint.settings.read({"WSGI_MOUNT_PATH": "/shop/"})
    command = entrypoint.debug_command(values, "/express", "/root", startup=False)
    assert command[command.index("--mount-point") + 1] == "/shop"
