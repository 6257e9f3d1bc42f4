# SPDX-License-Identifier: Apache-2.0
"""Whatever a source, a requirement or a repository holds: none of it runs as root, and none of it reads what is root's.

Each place that some tool may run has a marker, which tells who ran it and tries what only root may.
"""

from __future__ import annotations

import base64
import io
import json
import os
import subprocess
import tarfile
import textwrap
import zipfile
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.modwsgi.deploy.plugins.module_utils.deploy import release as wsgi_releases
from ansible_collections.modwsgi.deploy.plugins.module_utils.deploy import venv as wsgi_venvs
from ansible_collections.modwsgi.deploy.plugins.module_utils.deploy.source import digest, list_entries
from support.building import ACCOUNT, application, build_ground, hasten_environments, parameters

pytestmark = pytest.mark.root("only root has rights to give up")

SHADOWING = ["venv", "secrets", "pip", "site", "sitecustomize", "usercustomize", "compileall", "hashlib", "ensurepip"]
PACKAGES = ["calendar", "encodings", "setuptools"]

BACKEND = """
import base64, hashlib, os, zipfile
def wheel(directory, name, files):
    file = f"{name}-1.0-py3-none-any.whl"
    files = {
        **files,
        f"{name}-1.0.dist-info/METADATA": f"Metadata-Version: 2.1\\nName: {name}\\nVersion: 1.0\\n",
        f"{name}-1.0.dist-info/WHEEL": "Wheel-Version: 1.0\\nRoot-Is-Purelib: true\\nTag: py3-none-any\\n",
    }
    files[f"{name}-1.0.dist-info/RECORD"] = "".join(f"{path},,\\n" for path in files)
    with zipfile.ZipFile(os.path.join(directory, file), "w") as archive:
        for path, content in files.items():
            archive.writestr(path, content)
    return file
def build_wheel(directory, settings=None, metadata=None):
    return wheel(directory, NAME, {f"{NAME}_module.py": ""})
def build_editable(directory, settings=None, metadata=None):
    return wheel(directory, NAME, {f"__editable__.{NAME}.pth": os.getcwd() + "\\n"})
def get_requires_for_build_wheel(settings=None):
    return []
get_requires_for_build_editable = get_requires_for_build_wheel
"""


class Ground:
    """Where markers are left, and what they must not reach."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.marks = folder / "marks"
        self.marks.mkdir()
        self.marks.chmod(0o1777)
        self.secret = folder / "secret"
        self.secret.write_text("only-for-root\n")
        self.secret.chmod(0o600)
        self.source = folder / "source"
        self.source.mkdir()
        self.releases = folder / "srv" / "releases"
        self.releases.mkdir(parents=True)

    def marker(self, name: str) -> str:
        """A Python statement that tells who runs it, and what it can do beyond its rights."""
        program = f"""
            import os, stat
            def mark(what):
                open(os.path.join({str(self.marks)!r}, f"{name} {{what}} {{os.getuid()}}"), "w").close()
            mark("ran")
            for what, path, flags in [("read", {str(self.secret)!r}, os.O_RDONLY), *(
                ("wrote", os.path.join(folder, file), os.O_WRONLY)
                for folder, _, files in os.walk({str(self.releases)!r}) for file in files
            )]:
                try:
                    os.open(path, flags)
                except OSError:
                    pass
                else:
                    mark(what)
            for number in os.listdir("/proc/self/fd"):
                try:
                    found = os.stat(int(number))
                    if int(number) > 2 and found.st_uid == 0 and stat.S_ISDIR(found.st_mode):
                        mark("inherited")
                except OSError:
                    pass
        """
        return f"exec({textwrap.dedent(program)!r})\n"

    def shell_marker(self, name: str) -> str:
        """The same for what is a command."""
        path = self.folder / f"{name}.sh"
        path.write_text(f'#!/bin/sh\n: > "{self.marks}/{name} ran $(id -u)"\ncat\n')
        path.chmod(0o755)
        return str(path)

    def ran(self) -> dict[str, set[str]]:
        """Who ran which marker: its name and what it did, with user ids."""
        found: dict[str, set[str]] = {}
        for path in self.marks.iterdir():
            name, uid = path.name.rsplit(" ", 1)
            found.setdefault(name, set()).add(uid)
            assert path.stat().st_uid == int(uid)
        return found

    def write(self, files: Mapping[str, str], folder: Path | None = None) -> None:
        for name, content in files.items():
            path = (folder or self.source) / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(content)


@pytest.fixture(name="ground")
def fixture_ground(monkeypatch: pytest.MonkeyPatch) -> Iterator[Ground]:
    with build_ground(monkeypatch) as folder:
        yield Ground(folder)


def project(ground: Ground, name: str) -> dict[str, str]:
    """A project that brings its own build backend."""
    return {
        "pyproject.toml": f'[project]\nname = "{name}"\nversion = "1.0"\n'
        '[build-system]\nrequires = []\nbuild-backend = "backend"\nbackend-path = ["."]\n',
        "backend.py": f"NAME = {name!r}\n" + ground.marker(f"backend-of-{name}") + BACKEND,
    }


def sdist(path: Path, name: str, files: Mapping[str, str]) -> None:
    with tarfile.open(path, "w:gz") as archive:
        for file, content in files.items():
            info = tarfile.TarInfo(f"{name}-1.0/{file}")
            info.size = len(content.encode())
            archive.addfile(info, io.BytesIO(content.encode()))


def wheel(path: Path, name: str, files: Mapping[str, str]) -> None:
    """A wheel; a script of it is called as one that pip or a virtual environment has."""
    information = {
        f"{name}-1.0.dist-info/METADATA": f"Metadata-Version: 2.1\nName: {name}\nVersion: 1.0\n",
        f"{name}-1.0.dist-info/WHEEL": "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
        f"{name}-1.0.dist-info/entry_points.txt": f"[console_scripts]\npip = {name}:main\nactivate = {name}:main\n",
    }
    complete = {**files, **information}
    complete[f"{name}-1.0.dist-info/RECORD"] = "".join(f"{file},,\n" for file in complete)
    with zipfile.ZipFile(path, "w") as archive:
        for file, content in complete.items():
            archive.writestr(file, content)


def release(ground: Ground) -> dict[str, Any]:
    """The source as a release of root's."""
    path = ground.releases / "r1"
    subprocess.run(["cp", "--recursive", str(ground.source), str(path)], check=True)
    subprocess.run(["chmod", "--recursive", "a+rX,go-w", str(path)], check=True)
    return {"id": "r1", "path": str(path)}


def tree(path: str) -> str:
    return digest(path, list_entries(path))


@pytest.mark.slow
def test_nothing_of_a_source_or_a_requirement_runs_as_root(ground: Ground, monkeypatch: pytest.MonkeyPatch) -> None:
    ground.write({f"{name}.py": ground.marker(f"module-{name}") for name in SHADOWING})
    ground.write({f"{name}/__init__.py": ground.marker(f"package-{name}") for name in PACKAGES})
    ground.write(project(ground, "shop"))
    vendor = ground.source / "vendor"
    vendor.mkdir()
    ground.write({f"tree/{name}": text for name, text in project(ground, "tree").items()})
    sdist(vendor / "packed-1.0.tar.gz", "packed", {**project(ground, "packed"), "PKG-INFO": ""})
    wheel(
        vendor / "hostile-1.0-py3-none-any.whl",
        "hostile",
        {
            "hostile.py": ground.marker("module-of-the-wheel"),
            "hostile.pth": "import os; " + ground.marker("pth"),
            "sitecustomize.py": ground.marker("sitecustomize-of-the-wheel"),
            "usercustomize.py": ground.marker("usercustomize-of-the-wheel"),
            "compileall.py": ground.marker("compileall-of-the-wheel"),
            "encodings/__init__.py": ground.marker("encodings-of-the-wheel"),
        },
    )
    wheel(vendor / "second-1.0-py3-none-any.whl", "second", {"second.py": ""})
    lines = ["--no-index", "--find-links vendor", "-e .", "./tree", "packed", "hostile"]
    lines.append("./vendor/second-1.0-py3-none-any.whl")
    ground.write({"requirements.txt": "\n".join(lines)})
    made = release(ground)
    before = tree(made["path"])
    monkeypatch.setenv("PYTHONPATH", str(ground.source))
    monkeypatch.setenv("PYTHONSTARTUP", str(ground.source / "site.py"))
    monkeypatch.chdir(made["path"])
    shop = application(ground.releases.parent, requirements="requirements.txt")
    venv = wsgi_venvs.virtual_environments([shop], parameters(made), check_mode=False)["shop"]

    ran = ground.ran()
    assert {f"backend-of-{name} ran" for name in ("shop", "tree", "packed")} <= ran.keys()
    assert {uid for uids in ran.values() for uid in uids} == {str(ACCOUNT)}
    assert not [name for name in ran if not name.endswith(" ran")], "read or wrote what is root's"
    assert tree(made["path"]) == before, "the release is as it was"
    [site] = Path(venv["path"]).glob("lib/python*/site-packages")
    assert (site / "__editable__.shop.pth").read_text() == made["path"] + "\n", "editable: it leads to the release"
    assert f'"url": "file://{made["path"]}/tree"' in (site / "tree-1.0.dist-info/direct_url.json").read_text()
    assert (site / "hostile.pth").exists()
    assert (site / "second.py").exists()
    assert list(site.glob("__pycache__/hostile.*.pyc")), "byte code is there"
    owners = {os.lstat(path).st_uid for path in [Path(venv["path"]), *Path(venv["path"]).rglob("*")]}
    assert owners == {0}
    assert not [
        path for path in Path(venv["path"]).rglob("*") if not path.is_symlink() and path.stat().st_mode & 0o6022
    ]
    assert sorted(path.name for path in Path(venv["path"]).parent.iterdir()) == [venv["id"]]


def git(*arguments: str, folder: Path) -> str:
    identity = ["-c", "user.name=A", "-c", "user.email=a@example.com", "-c", "commit.gpgSign=false"]
    environment = {"PATH": os.environ["PATH"], "HOME": "/nonexistent", "GIT_CONFIG_NOSYSTEM": "1"}
    done = subprocess.run(
        ["git", *identity, *arguments], cwd=folder, env=environment, capture_output=True, text=True, check=True
    )
    return done.stdout.strip()


@pytest.mark.slow
@pytest.mark.parametrize("version", ["main", "HEAD", "v1"])
def test_nothing_of_a_repository_or_of_roots_configuration_runs_as_root(
    ground: Ground, monkeypatch: pytest.MonkeyPatch, version: str
) -> None:
    source, mark = ground.source, ground.shell_marker
    ground.write(
        {
            "wsgi.py": "",
            "subst.txt": "$Format:%H%n%(trailers)$\n",
            "filtered.txt": "as it is\n",
            "large.bin": "what a filter would change\n",
            ".gitattributes": "filtered.txt filter=evil diff=evil merge=evil\nsubst.txt export-subst\n"
            "large.bin filter=lfs diff=lfs merge=lfs -text\n",
            ".gitmodules": f'[submodule "../../evil"]\n\tpath = evil\n\turl = ext::{mark("submodule-url")}\n'
            f'\tupdate = !{mark("submodule-update")}\n[submodule "x"]\n\tpath = x\n\turl = -u./payload\n',
            ".lfsconfig": f"[lfs]\n\turl = ext::{mark('lfs-url')}\n",
        }
    )
    git("init", "--quiet", "--initial-branch=main", folder=source)
    git("add", ".", folder=source)
    git("commit", "--quiet", "--message=one", folder=source)
    git("tag", "v1", folder=source)
    settings = {
        "core.fsmonitor": mark("fsmonitor"),
        "core.sshCommand": mark("ssh-command"),
        "core.hooksPath": str(ground.folder / "hooks"),
        "core.pager": mark("pager"),
        "core.gitProxy": mark("proxy"),
        "core.askPass": mark("askpass"),
        "credential.helper": f"!{mark('helper')}",
        "uploadpack.packObjectsHook": mark("pack-objects"),
        "filter.evil.smudge": mark("smudge"),
        "filter.evil.process": mark("filter-process"),
        "filter.evil.required": "true",
        "filter.lfs.smudge": mark("lfs-smudge"),
        "filter.lfs.process": mark("lfs-process"),
        "tar.umask": "0",
        "tar.tar.command": mark("tar"),
        "gc.auto": "1",
        "alias.archive": f"!{mark('alias')}",
        "trace2.eventTarget": "",
    }
    hooks = ground.folder / "hooks"
    hooks.mkdir()
    names = [
        "post-checkout", "post-update", "pre-receive", "update", "reference-transaction", "post-receive", "pre-auto-gc",
    ]  # fmt: skip
    for hook in names:
        for folder in (hooks, source / ".git/hooks"):
            folder.mkdir(exist_ok=True)
            (folder / hook).symlink_to(mark(f"hook-{hook}"))
    home = ground.folder / "home-of-root"
    home.mkdir(mode=0o700)
    for name, value in settings.items():
        git("config", name, value, folder=source)
        git("config", "--file", str(home / ".gitconfig"), name, value, folder=source)
    monkeypatch.setenv("HOME", str(home))
    monkeypatch.setenv("XDG_CONFIG_HOME", str(home))
    monkeypatch.setenv("GIT_SSH_COMMAND", mark("environment-ssh"))
    monkeypatch.setenv("GIT_EXTERNAL_DIFF", mark("environment-diff"))
    monkeypatch.setenv("GIT_TEMPLATE_DIR", str(ground.folder))
    repository = {"git": f"file://{source}", "version": version, "exclude": []}
    shop = application(ground.releases.parent, source=repository)
    (ground.folder / "srv/repository.git").mkdir()
    made = wsgi_releases.release_of(shop, check_mode=False)

    assert {uid for uids in ground.ran().values() for uid in uids} <= {str(ACCOUNT)}
    released = Path(made["path"])
    assert (released / "filtered.txt").read_text() == "as it is\n"
    assert (released / "large.bin").read_text() == "what a filter would change\n"
    assert {os.lstat(path).st_uid for path in [released, *released.rglob("*")]} == {0}
    assert not (ground.folder / "srv/repository.git").exists(), "what earlier versions left is gone"
    assert wsgi_releases.release_of(shop, check_mode=True) == {**made, "changed": False}


@pytest.mark.slow
def test_a_requirements_file_shows_nothing_of_roots_files(ground: Ground, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever line is found that makes pip read a file and tell of it."""
    hasten_environments(monkeypatch)
    ground.write({"requirements.txt": ""})
    made = release(ground)
    hostile = wsgi_venvs.Requirements({"requirements.txt": f"--no-index\n-r{ground.secret}\n"})
    monkeypatch.setattr(wsgi_venvs, "read", lambda *_: hostile)
    shop = application(ground.releases.parent, requirements="requirements.txt")
    with pytest.raises(wsgi_venvs.VenvError) as raised:
        wsgi_venvs.virtual_environments([shop], parameters(made), check_mode=False)
    assert "only-for-root" not in str(raised.value)
    assert "Permission denied" in str(raised.value)


@pytest.mark.slow
def test_a_credential_is_where_its_program_runs_and_nowhere_else(
    ground: Ground, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The build of a requirement finds pip's, not git's, and nothing is left of either."""
    hasten_environments(monkeypatch)
    monkeypatch.setenv("SSH_AUTH_SOCK", "/run/agent-of-root")
    monkeypatch.setenv("SECRET_OF_THE_PLAY", "x")
    backend = BACKEND + textwrap.dedent(
        f"""
        import subprocess
        home = os.environ["HOME"]
        found = {{path: open(os.path.join(home, path)).read() for path in os.listdir(home) if path != ".config"}}
        rooms = subprocess.run(["find", {str(ground.folder / "rooms")!r}, "-type", "f"], capture_output=True, text=True)
        seen = [line for line in rooms.stdout.splitlines() if "/pip/" not in line]
        with open(os.path.join({str(ground.marks)!r}, "found"), "w") as stream:
            import json
            json.dump({{"home": found, "others": seen, "environment": dict(os.environ)}}, stream)
        """
    )
    ground.write({**project(ground, "shop"), "requirements.txt": "--no-index\n.\n"})
    ground.write({"backend.py": "NAME = 'shop'\n" + backend})
    git("init", "--quiet", "--initial-branch=main", folder=ground.source)
    git("add", ".", folder=ground.source)
    git("commit", "--quiet", "--message=one", folder=ground.source)
    credentials = {
        "shop": {
            "git": {"ssh_key": "-----BEGIN KEY-----\ngit-secret\n-----END KEY-----"},
            "pip": {"netrc": "machine x login y password pip-secret", "known_hosts": "x ssh-ed25519 AAAA"},
        }
    }
    repository = {"git": f"file://{ground.source}", "version": "main", "exclude": []}
    keys = {"source": repository, "script": "backend.py", "requirements": "requirements.txt"}
    shop = application(ground.releases.parent, **keys)
    told = parameters(credentials=base64.b64encode(json.dumps(credentials).encode()).decode())
    told["releases"] = {"shop": wsgi_releases.release_of(shop, False, told)}
    wsgi_venvs.virtual_environments([shop], told, check_mode=False)

    found = json.loads((ground.marks / "found").read_text())
    assert "pip-secret" in found["home"][".netrc"]
    assert "git-secret" not in json.dumps(found)
    assert found["others"] == []
    assert not set(found["environment"]) & {"SSH_AUTH_SOCK", "SECRET_OF_THE_PLAY", "LOGNAME"}
    left = [path for path in ground.folder.rglob("*") if path.is_file() and not path.is_symlink()]
    holding = [path for path in left if b"-secret" in path.read_bytes() and path != ground.marks / "found"]
    assert holding == []
