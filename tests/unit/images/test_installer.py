# SPDX-License-Identifier: Apache-2.0
"""`pip` of the images: what root calls runs as an account without rights, and nothing of it is left but its result.

The program is the real one, in a folder of the test's and with a stand-in for the real pip. Needs root, as the build of
an image has it.
"""

from __future__ import annotations

import json
import os
import runpy
import signal
import stat
import subprocess
import sys
import tempfile
import textwrap
import threading
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from support.scripts import ROOT

pytestmark = pytest.mark.slow

PROGRAM = ROOT / "images/mod-wsgi/build/installer.py"
#: An account that this machine does not know. All its processes on this machine are ended, in containers too, so it is
#: neither that of the image nor that of another process which runs these tests.
UID = 60000 + os.getpid() % 5000


def interpreter() -> str:
    """A Python that other accounts can run as well; root's own may be in its home."""
    for path in (os.path.realpath(sys.executable), "/usr/bin/python3"):
        folders = [str(folder) for folder in Path(path).parents]
        if os.path.exists(path) and all(os.stat(folder).st_mode & 0o001 for folder in folders):
            return path
    return sys.executable


PYTHON = interpreter()
installer = SimpleNamespace(**runpy.run_path(str(PROGRAM), run_name="image_installer"))
needs_root = pytest.mark.root("gives folders to another account")

PIP = """\
import json, os, sys
def main():
    with open(os.environ["PLAN"]) as stream:
        plan = stream.read()
    exec(plan, {"json": json, "os": os, "sys": sys, "words": sys.argv[1:]})
    return 0
"""
START = """\
import runpy, sys
from types import SimpleNamespace
program = runpy.run_path({program!r}, run_name="image_installer")
places = program["Places"]({venv!r}, {own!r})
account = SimpleNamespace(pw_uid={uid}, pw_gid={uid})
program["pip"].__globals__["pwd"] = SimpleNamespace(getpwnam=lambda name: account)
program["pip"].__globals__["FOR_EVERYBODY"] = ()
sys.exit(program["told"](lambda: program["pip"](places, sys.argv[1:])))
"""


class Image:
    """A virtual environment and the folder of pip, as the image has them, below a folder that all may pass."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.venv, self.own = root / "venv", root / "pip"
        version = subprocess.run([PYTHON, "-IS", "--version"], capture_output=True, text=True, check=True).stdout
        (self.venv / "bin").mkdir(parents=True)
        (self.venv / "lib/python{}.{}".format(*version.split()[1].split(".")) / "site-packages").mkdir(parents=True)
        (self.venv / "pyvenv.cfg").write_text(
            f"home = {os.path.dirname(PYTHON)}\ninclude-system-site-packages = false\n"
        )
        (self.venv / "bin/activate").write_text("PATH=\n")
        (self.venv / "bin/python").symlink_to(PYTHON)
        for name, text in (("pip/_internal/cli/main.py", PIP), ("start.py", self._start())):
            path = self.own / ("packages" if name.startswith("pip") else "") / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text)
        (self.own / "bin").mkdir()
        self.plan = root / "plan"
        self.told = root / "told"

    def _start(self) -> str:
        return START.format(program=str(PROGRAM), venv=str(self.venv), own=str(self.own), uid=UID)

    @property
    def packages(self) -> Path:
        (found,) = self.venv.glob("lib/python*/site-packages")
        return found

    def command(self, *words: str) -> list[str]:
        return [PYTHON, "-I", "-S", str(self.own / "start.py"), *words]

    def environment(self, **variables: str) -> dict[str, str]:
        return {
            "PATH": "/usr/bin:/bin",
            "PLAN": str(self.plan),
            "PIP_NO_INDEX": "1",
            "HOME": str(self.root / "root"),
            **variables,
        }

    def pip(
        self, plan: str, *words: str, folder: Path | None = None, given: str | None = None, **variables: str
    ) -> subprocess.CompletedProcess[str]:
        """Run it; the stand-in for the real pip does what the plan says."""
        self.plan.write_text(textwrap.dedent(plan))
        self.plan.chmod(0o644)
        return subprocess.run(
            self.command(*(words or ("install", "shop"))),
            env=self.environment(**variables),
            cwd=folder or self.root,
            input=given,
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )

    def say(self, plan: str, *words: str, **more: Any) -> Any:
        """What a plan has printed, as JSON."""
        done = self.pip(plan, *words, **more)
        assert done.returncode == 0, done.stderr
        return json.loads(done.stdout)

    def owners(self) -> set[int]:
        """Whose the environment is."""
        return {os.lstat(path).st_uid for path in (self.venv, *self.venv.rglob("*"))}


@pytest.fixture(name="image")
def fixture_image() -> Iterator[Image]:
    # Not below pytest's own folder, which other accounts cannot pass.
    with tempfile.TemporaryDirectory(prefix="modwsgi-image-") as folder:
        os.chmod(folder, 0o711)
        yield Image(Path(folder))


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        ("-m pip install shop", ["install", "shop"]),
        ("-mpip list", ["list"]),
        ("-Im pip list", ["list"]),
        ("-W error -X dev -B -m pip", []),
        ("--check-hash-based-pycs never -m pip list", ["list"]),
        ("manage.py -m pip", None),
        ("-c pass -m pip", None),
        ("-m pipx run", None),
        ("-m venv pip", None),
        ("-Wm pip", None),
        ("--version", None),
        ("-", None),
        ("", None),
    ],
)
def test_python_is_pip_when_it_is_to_run_that_module(words: str, expected: list[str] | None) -> None:
    assert installer.words_for_pip(words.split()) == expected


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        ("install -r a shop", "install -r read:a operand:shop"),
        ("install --requirement=a", "install --requirement=read:a"),
        ("install -Ur a -cb", "install -Ur read:a -cread:b"),
        ("wheel -w out -e .", "wheel -w written:out -e editable:."),
        ("install --target=t --quiet --no-deps ./x", "install --target=written:t --quiet --no-deps operand:./x"),
        ("install -i url --cache-dir=c", "install -i other:url --cache-dir=other:c"),
        ("install -iurl-r", "install -iother:url-r"),
    ],
)
def test_paths_among_the_words_are_found(words: str, expected: str) -> None:
    found = installer.changed_paths(words.split()[1:], lambda kind, value: f"{kind}:{value}")
    assert ["install" if expected.startswith("install") else "wheel", *found] == expected.split()


WHO = """\
def is_open(number):
    try:
        return bool(os.fstat(number))
    except OSError:
        return False
status = dict(line.split(":", 1) for line in open("/proc/self/status"))
print(json.dumps({
    "ids": [*os.getresuid(), *os.getresgid()], "groups": os.getgroups(), "new": status["NoNewPrivs"].strip(),
    "rights": int(status["CapEff"], 16) | int(status["CapPrm"], 16) | int(status["CapAmb"], 16),
    "descriptors": [number for number in range(256) if is_open(number)], "session": os.getsid(0) == os.getpid(),
    "umask": os.umask(0), "path": sys.path, "prefix": sys.prefix, "words": words,
    "own": [os.stat(os.environ[name]).st_uid for name in ("HOME", "TMPDIR")],
}))
"""


@needs_root
def test_it_runs_as_an_account_without_rights(image: Image) -> None:
    (image.root / "json.py").write_text("raise SystemExit('imported from the working folder')\n")
    reading, writing = os.pipe()
    os.set_inheritable(writing, True)
    image.plan.write_text(WHO)
    done = subprocess.run(
        image.command("install", "shop"),
        env=image.environment(PYTHONPATH=str(image.root), XDG_CONFIG_HOME="/root"),
        cwd=image.root, pass_fds=[writing], capture_output=True, text=True, check=True,
    )  # fmt: skip
    os.close(reading)
    os.close(writing)
    told = json.loads(done.stdout)
    assert told["ids"] == [UID] * 6
    assert (told["groups"], told["rights"], told["new"], told["umask"]) == ([], 0, "1", 0o022)
    assert told["descriptors"] == [0, 1, 2]
    assert told["session"]
    assert told["own"] == [UID, UID]
    assert str(image.root) not in told["path"]
    assert told["prefix"] == str(image.venv)
    assert told["words"] == ["install", "shop"]
    assert not (image.own / "scratch").exists()
    assert image.owners() == {0}


@needs_root
def test_the_status_is_that_of_pip(image: Image) -> None:
    assert image.pip("sys.exit(3)").returncode == 3
    assert image.pip("os.kill(os.getpid(), 9)").returncode == 137


@needs_root
def test_commands_that_only_look_are_lent_nothing(image: Image) -> None:
    told = image.say("print(json.dumps(os.access(sys.prefix, os.W_OK)))", "list")
    assert told is False


@needs_root
def test_another_user_gets_pip_as_it_is(image: Image) -> None:
    image.plan.write_text("print(os.getuid(), words)")
    done = subprocess.run(
        image.command("list"), env=image.environment(), cwd="/", user=1234, group=1234, extra_groups=[],
        capture_output=True, text=True, check=True,
    )  # fmt: skip
    assert done.stdout == "1234 ['list']\n"


SHOP = "folder = [path for path in sys.path if path.endswith('site-packages')][0] + '/'\n"


@needs_root
def test_what_is_installed_is_root_s(image: Image) -> None:
    done = image.pip(
        SHOP
        + """
os.mkdir(folder + "shop")
open(folder + "shop/__init__.py", "w").close()
open(sys.prefix + "/bin/shop", "w").close()
os.chmod(sys.prefix + "/bin/shop", 0o6777)
os.chmod(folder + "shop", 0o3777)
os.symlink("shop/__init__.py", folder + "link")
os.symlink(os.path.realpath(sys.executable), sys.prefix + "/bin/again")
"""
    )
    assert (done.returncode, done.stderr) == (0, "")
    assert image.owners() == {0}
    assert stat.S_IMODE((image.venv / "bin/shop").stat().st_mode) == 0o755
    assert stat.S_IMODE((image.packages / "shop").stat().st_mode) == 0o755
    assert (image.packages / "link").is_symlink()
    assert (image.venv / "bin/again").is_symlink()


@needs_root
def test_a_package_can_be_replaced_and_no_file_of_root_be_written_to(image: Image) -> None:
    (image.packages / "shop").mkdir()
    (image.packages / "shop/__init__.py").write_text("old")
    told = image.say(
        SHOP
        + """
path = folder + "shop/__init__.py"
may = os.access(path, os.W_OK)
os.rename(folder + "shop", folder + "~hop")
os.unlink(folder + "~hop/__init__.py")
os.rmdir(folder + "~hop")
os.mkdir(folder + "shop")
open(path, "w").write("new")
print(json.dumps(may))
"""
    )
    assert told is False
    assert (image.packages / "shop/__init__.py").read_text() == "new"


REFUSED = {
    "a link out": ("os.symlink('/etc', folder + 'out')", "out", "led out of"),
    "a chain of links out": (
        "os.symlink('..', folder + 'up'); os.symlink('up/../../..', folder + 'out')",
        "out",
        "led out of",
    ),
    "a link to the interpreter elsewhere": (
        "os.symlink(os.path.realpath(sys.executable), folder + 'out')",
        "out",
        "led out of",
    ),
    "a pipe": ("os.mkfifo(folder + 'out')", "out", "was neither a file nor a folder nor a link"),
}


@needs_root
@pytest.mark.parametrize("what", REFUSED)
def test_what_root_does_not_take_is_refused_and_removed(image: Image, what: str) -> None:
    plan, name, said = REFUSED[what]
    done = image.pip(SHOP + plan)
    assert done.returncode == 64
    assert said in done.stderr
    assert not os.path.lexists(image.packages / name)
    assert image.owners() == {0}


@needs_root
@pytest.mark.parametrize("name", ["bin/python", "bin/activate", "pyvenv.cfg"])
def test_what_root_may_run_later_stays_what_it_is(image: Image, name: str) -> None:
    path = image.venv / name
    before = (path.is_symlink() and os.readlink(path), path.read_bytes(), path.stat().st_mode)
    done = image.pip(
        f"path = {str(path)!r}\nos.unlink(path)\nopen(path, 'w').write('#!/bin/sh')\nos.chmod(path, 0o755)"
    )
    assert done.returncode == 64
    assert done.stderr == f"mod-wsgi: {path} was replaced, and is what it was again.\n"
    assert (path.is_symlink() and os.readlink(path), path.read_bytes(), path.stat().st_mode) == before
    assert image.owners() == {0}


@needs_root
def test_a_pip_that_is_installed_does_not_take_the_place_of_this_one(image: Image) -> None:
    done = image.pip("open(sys.prefix + '/bin/pip3', 'w').close()")
    assert (done.returncode, done.stderr) == (0, "")
    assert os.readlink(image.venv / "bin/pip3") == str(image.own / "bin/pip")


@needs_root
def test_a_hard_link_to_another_s_file_does_not_change_it(image: Image) -> None:
    theirs = image.root / "theirs"
    theirs.write_text("secret")
    theirs.chmod(0o666)
    os.chown(theirs, 1234, 1234)
    done = image.pip(SHOP + f"os.link({str(theirs)!r}, folder + 'linked')")
    assert (done.returncode, done.stderr) == (0, "")
    assert (theirs.stat().st_uid, stat.S_IMODE(theirs.stat().st_mode)) == (1234, 0o666)


LEFT = """
import time
reading, writing = os.pipe()
if os.fork() == 0:
    os.setsid()
    if os.fork() == 0:
        import signal
        for number in (signal.SIGTERM, signal.SIGHUP, signal.SIGINT):
            signal.signal(number, signal.SIG_IGN)
        with open(os.environ["TOLD"], "w") as stream:
            stream.write(str(os.getpid()))
        os.close(writing)
        time.sleep(600)
    os._exit(0)
os.close(writing)
os.read(reading, 1)
"""


@needs_root
def test_no_process_is_left(image: Image) -> None:
    image.told.touch()
    os.chown(image.told, UID, UID)
    assert image.pip(LEFT, TOLD=str(image.told)).returncode == 0
    assert not Path("/proc", image.told.read_text()).exists()


@needs_root
def test_a_job_of_the_calling_shell_is_not_waited_for(image: Image) -> None:
    image.plan.write_text("")
    script = 'sleep 600 > /dev/null 2>&1 & echo $!; exec "$@"'
    command = ["/bin/sh", "-c", script, "sh", *image.command("list")]
    done = subprocess.run(command, env=image.environment(), capture_output=True, text=True, timeout=30, check=True)
    os.kill(int(done.stdout), signal.SIGKILL)


@needs_root
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_ends_it_and_all_is_taken_back(image: Image, number: signal.Signals) -> None:
    image.plan.write_text("import time\nprint('runs', flush=True)\ntime.sleep(600)\n")
    process = subprocess.Popen(image.command("install"), env=image.environment(), stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    assert process.stdout.readline() == "runs\n"
    assert image.venv.stat().st_uid == UID
    process.send_signal(number)
    assert process.wait(timeout=30) == 128 + number
    process.stdout.close()
    assert image.owners() == {0}
    assert not (image.own / "scratch").exists()


@needs_root
def test_two_at_once_run_one_after_the_other(image: Image) -> None:
    image.told.touch()
    os.chown(image.told, UID, UID)
    plan = """
    import time
    for moment in ("begin ", "end "):
        with open(os.environ["TOLD"], "a") as stream:
            stream.write(moment)
        time.sleep(0.2)
    """
    threads = [threading.Thread(target=image.pip, args=(plan,), kwargs={"TOLD": str(image.told)}) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert image.told.read_text() == "begin end begin end "


def test_what_is_left_in_folders_of_everybody_is_root_s_or_gone(tmp_path: Path) -> None:
    account = installer.Account(os.geteuid(), os.getegid())
    (tmp_path / "pip.log").touch()
    (tmp_path / "pip.log").chmod(0o666)
    (tmp_path / "folder/below").mkdir(parents=True)
    (tmp_path / "link").symlink_to("/etc/passwd")
    os.mkfifo(tmp_path / "pipe")
    installer.clear_public_folders(account, [str(tmp_path), str(tmp_path / "missing")])
    assert [path.name for path in tmp_path.iterdir()] == ["pip.log"]
    assert stat.S_IMODE((tmp_path / "pip.log").stat().st_mode) == 0o644


CONTENT = "print(json.dumps([open(words[-1]).read(), words]))"


def private(path: Path, text: str) -> Path:
    """A file of root's, in a folder of root's."""
    path.parent.mkdir(mode=0o700, exist_ok=True, parents=True)
    path.write_text(text)
    path.chmod(0o400)
    return path


@needs_root
def test_a_file_that_only_root_can_read_is_copied_for_it(image: Image) -> None:
    path = private(image.root / "root/requirements.txt", "shop==1\n")
    content, words = image.say(CONTENT, "install", "-r", str(path))
    assert content == "shop==1\n"
    assert words == ["install", "-r", f"{image.own}/scratch/given/0/requirements.txt"]
    content, words = image.say(CONTENT, "install", "-r", "requirements.txt", folder=path.parent)
    assert content == "shop==1\n"


@needs_root
def test_a_file_that_all_can_read_is_not(image: Image) -> None:
    path = image.root / "requirements.txt"
    path.write_text("shop==1\n")
    assert image.say(CONTENT, "install", "-r", str(path))[1] == ["install", "-r", str(path)]


@needs_root
def test_requirements_come_through_a_pipe(image: Image) -> None:
    assert image.say(CONTENT, "install", "-r", "/dev/stdin", given="shop==1\n")[0] == "shop==1\n"


@needs_root
def test_a_requirement_of_a_file_does_not_make_root_read_another(image: Image) -> None:
    secret = private(image.root / "root/secret", "the secret")
    path = image.root / "requirements.txt"
    path.write_text(f"-r {secret}\n")
    told = image.say(
        "print(json.dumps(os.access(open(words[-1]).read().split()[1], os.R_OK)))", "install", "-r", str(path)
    )
    assert told is False


@needs_root
def test_configuration_and_passwords_of_root_s_pip_are_copied(image: Image) -> None:
    private(image.root / "root/.netrc", "machine index")
    private(image.root / "root/.config/pip/pip.conf", "[global]")
    secret = private(image.root / "secrets/pip", "index-url = https://user:token@index/")
    plan = """
    home = os.environ["HOME"] + "/"
    print(json.dumps([open(path).read() for path in
                      (home + ".netrc", home + ".config/pip/pip.conf", os.environ["PIP_CONFIG_FILE"])]))
    """
    told = image.say(plan, PIP_CONFIG_FILE=str(secret))
    assert told == ["machine index", "[global]", "index-url = https://user:token@index/"]
    assert not (image.own / "scratch").exists()


@needs_root
@pytest.mark.parametrize("extras", ["", "[tests]"])
def test_a_folder_of_root_s_is_built_in_a_copy(image: Image, extras: str) -> None:
    folder = image.root / "src"
    (folder / "shop").mkdir(parents=True)
    (folder / "pyproject.toml").touch()
    (folder / "shop/link").symlink_to("/etc/passwd")
    plan = """
    path = words[-1].partition("[")[0]
    os.mkdir(path + "/shop.egg-info")
    print(json.dumps([os.getcwd(), words[-1], os.readlink(path + "/shop/link")]))
    """
    here, word, link = image.say(plan, "install", f".{extras}", folder=folder)
    assert (here, word, link) == (str(folder), f"{image.own}/scratch/given/0/src{extras}", "/etc/passwd")
    assert sorted(path.name for path in folder.iterdir()) == ["pyproject.toml", "shop"]
    done = image.pip("", "install", "--editable", str(folder))
    assert done.returncode == 64
    assert "COPY --chown=wsgi-build" in done.stderr


@needs_root
def test_a_folder_of_the_account_s_is_built_in_place(image: Image) -> None:
    folder = image.root / "src"
    folder.mkdir()
    (folder / "setup.py").touch()
    os.chown(folder, UID, UID)
    for words in (["install", "./src"], ["install", "-e", "./src"]):
        assert image.say("print(json.dumps(words))", *words) == words


@needs_root
def test_a_word_is_no_path_when_pip_does_not_take_it_for_one(image: Image) -> None:
    private(image.root / "shop", "a file that has a package's name")
    assert image.say("print(json.dumps(words))", "install", "shop") == ["install", "shop"]


@needs_root
def test_wheels_are_written_where_root_says(image: Image) -> None:
    done = image.pip("open(words[2] + '/shop.whl', 'w').close()", "wheel", "-w", str(image.root / "wheels"))
    assert (done.returncode, done.stderr) == (0, "")
    found = (image.root / "wheels", image.root / "wheels/shop.whl")
    assert [path.stat().st_uid for path in found] == [0, 0]


@needs_root
def test_folders_with_programs_of_root_are_not_lent(image: Image) -> None:
    for folder in ("/", "/etc", "/usr", str(image.own), f"{image.own}/packages"):
        done = image.pip("", "install", f"--target={folder}")
        assert done.returncode == 64
        assert (
            done.stderr
            == f"mod-wsgi: {folder} has programs that root runs; name a folder of its own for pip to write to.\n"
        )


@needs_root
def test_what_a_killed_run_has_left_is_taken_back(image: Image) -> None:
    image.told.touch()
    os.chown(image.told, UID, UID)
    image.plan.write_text(LEFT + "print('runs', flush=True)\ntime.sleep(600)\n")
    environment = image.environment(TOLD=str(image.told))
    process = subprocess.Popen(
        image.command("install"), env=environment, stdout=subprocess.PIPE, text=True, start_new_session=True
    )
    assert process.stdout is not None
    assert process.stdout.readline() == "runs\n"
    os.killpg(process.pid, signal.SIGKILL)  # this program, and not what it has started in another session
    process.wait()
    process.stdout.close()
    assert (image.own / "scratch").exists()
    assert image.pip("", "list").returncode == 0
    assert image.owners() == {0}
    assert not (image.own / "scratch").exists()
    left = Path("/proc", image.told.read_text(), "status")
    assert not left.exists() or "\tZ " in left.read_text()


@needs_root
def test_missing_rights_are_told(image: Image) -> None:
    image.plan.write_text("")
    command = ["setpriv", "--bounding-set=-chown", "--inh-caps=-chown", *image.command("install", "shop")]
    done = subprocess.run(command, env=image.environment(), cwd="/", capture_output=True, text=True, check=False)
    assert done.returncode == 64
    assert "it needs the capabilities CHOWN" in done.stderr
    assert image.owners() == {0}


@needs_root
def test_configuring_pip_is_root_s_and_imports_nothing_of_the_environment(image: Image) -> None:
    (image.packages / "marker.pth").write_text("import os; os._exit(9)\n")
    told = image.say("print(json.dumps([os.getuid(), sys.prefix]))", "config", "set", "global.index-url", "x")
    assert told == [0, str(image.venv)]
