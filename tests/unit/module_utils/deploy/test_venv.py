# SPDX-License-Identifier: Apache-2.0
"""A virtual environment is named by what is in it, and its failure is told in pip's words."""

from __future__ import annotations

import base64
import json
import os
import re
import subprocess
from collections.abc import Iterator
from email.message import Message
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.modwsgi.deploy.plugins.module_utils.deploy import builder
from ansible_collections.modwsgi.deploy.plugins.module_utils.deploy import venv as wsgi_venvs
from ansible_collections.modwsgi.deploy.plugins.module_utils.deploy.packages import BuildPackages
from ansible_collections.modwsgi.deploy.plugins.module_utils.deploy.requirements import Requirements, parse
from support.answering import answering
from support.building import ACCOUNT, BuildHost, build_ground, interpreter

INTERPRETER = {"executable": "/usr/bin/python3.11", "full_version": "3.11.2", "abi": "cp311"}


def name(
    text: str = "flask==3.1\n", release: str = "r1", variables: dict[str, str] | None = None, **changes: str
) -> str:
    requirements = Requirements({"requirements.txt": text}, tuple(parse(text)))
    return wsgi_venvs.identity({**INTERPRETER, **changes}, requirements, release, variables or {})


def test_the_name_depends_on_python_and_requirements_only() -> None:
    assert name() == name(release="r2")
    others = [name("flask==3.2\n"), name(full_version="3.11.9"), name(executable="/opt/python"), name(abi="cp311d")]
    assert len({name(), *others}) == 5


def test_the_name_is_that_of_earlier_versions() -> None:
    """Else every application gets a new virtual environment without need."""
    assert name() == "0f122f39dd3b82d24098"


@pytest.mark.parametrize(
    "line",
    [
        "-e .", "-e.", "./vendor/package", ".[web]", "vendor/x.whl", "file:vendor/x", "--find-links vendor", "x @ ./x",
        "${X}",
    ],
)  # fmt: skip
def test_requirements_that_point_into_the_source_depend_on_it(line: str) -> None:
    assert name(line, release="r1") != name(line, release="r2")


@pytest.mark.parametrize(
    ("text", "counts"),
    [
        ("shop==${NAME}", True),
        ("shop @ git+https://x/shop.git@${NAME}", True),
        ("shop @ git+https://deploy:${NAME}@x/shop.git@v1", False),
        ("shop @ https://${NAME}@x/shop.whl", False),
        ("--index-url https://x/${NAME}/simple\nshop", False),
        ("--extra-index-url=https://x/${NAME}/simple\nshop", False),
        ("shop  # ${NAME}", False),
    ],
)
def test_a_variable_counts_where_it_says_what_is_installed(text: str, counts: bool) -> None:
    one, two = (name(text, variables={"NAME": value, "OTHER": value}) for value in ("one", "two"))
    assert (one != two) is counts


class Host(BuildHost):
    """A host that makes virtual environments itself."""

    interpreter = property(lambda _: interpreter())

    def make(self, requirements: str = "", check_mode: bool = False, **options: Any) -> dict[str, Any]:
        application, parameters = self.described(options=options, requirements=requirements)
        packages = BuildPackages([application], parameters)
        return wsgi_venvs.virtual_environment(application, parameters, check_mode, packages)

    def make_all(self, requirements: str = "", check_mode: bool = False, **options: Any) -> dict[str, Any]:
        application, parameters = self.described(options=options, requirements=requirements)
        return wsgi_venvs.virtual_environments([application], parameters, check_mode)


@pytest.fixture(name="host")
def fixture_host(monkeypatch: pytest.MonkeyPatch) -> Iterator[Host]:
    with build_ground(monkeypatch) as folder:
        yield Host(folder)


@pytest.mark.slow
def test_one_that_is_complete_is_not_made_again_and_a_torso_is(host: Host) -> None:
    made = host.make()
    path = Path(made["path"])
    assert made["changed"]
    assert (path / "bin" / "python").exists()
    assert path.lstat().st_uid == os.geteuid()
    assert host.make() == {**made, "changed": False}
    (path / wsgi_venvs.COMPLETE).unlink()
    (path / "torso").touch()
    assert host.make()["changed"]
    assert host.left() == [made["id"]]
    assert not (path / "torso").exists()


@pytest.mark.root("gives folders away")
def test_one_that_is_just_being_made_is_not_complete_whatever_is_in_it(host: Host) -> None:
    path = host.venvs / host.make(check_mode=True)["id"]
    path.mkdir(parents=True)
    (path / wsgi_venvs.COMPLETE).touch()
    (path / "by-root").touch()
    os.chown(path, ACCOUNT, ACCOUNT)
    assert host.make(check_mode=True)["changed"]
    assert host.make()["changed"]
    assert not (path / "by-root").exists()


@pytest.mark.slow
@pytest.mark.parametrize(
    ("statement", "problem"),
    [
        ("os.symlink('/etc', path + '/lib/etc')", "lib/etc leads to /etc, out of the tree"),
        ("os.mkfifo(path + '/lib/pipe')", "lib/pipe is neither a file, a folder nor a link"),
        ("os.mkdir(path + '/lib/a\\nb')", "has control characters"),
        ("open(path + '/large', 'wb').write(b'x' * 3000000)", "File too large; raise wsgi_app_build_size"),
        ("[open(path + f'/{n}', 'wb').write(b'x' * 900000) for n in range(3)]", "it is larger than 2000000 bytes"),
        ("time.sleep(600)", "it took longer than 5 s"),
    ],
)
def test_what_cannot_be_taken_over_is_refused_and_nothing_is_left(
    host: Host, monkeypatch: pytest.MonkeyPatch, statement: str, problem: str
) -> None:
    """In place of a virtual environment, the account makes something else."""

    def make(room: builder.Room, path: str, *_: object) -> None:
        program = f"import os, time; path = {path!r}; os.makedirs(path + '/lib'); {statement}"
        wsgi_venvs.run(room, [host.interpreter, "-I", "-c", program], "the build")

    monkeypatch.setattr(wsgi_venvs, "make", make)
    with pytest.raises((wsgi_venvs.VenvError, builder.BuildError), match=problem):
        host.make(build_size=2000000, build_timeout=5)
    assert host.left() == []


@pytest.mark.slow
def test_a_failure_leaves_nothing_behind(host: Host) -> None:
    (host.release / "requirements.txt").write_text("./does-not-exist\n")
    with pytest.raises(wsgi_venvs.VenvError, match=r"pip install --requirement requirements\.txt failed: "):
        host.make("requirements.txt")
    assert host.left() == []


FRAME = "Collecting x\n  \u2570\u2500> [9 lines of output]\n{}\n  [end of output]\n"
REFUSED = "Downloading x (403 kB)\n{}ERROR: No matching distribution found for x\n"


@pytest.mark.parametrize(
    ("output", "advice"),
    [
        (FRAME.format("x.c:403: error: no such type"), f"; {wsgi_venvs.COMPILING}"),
        (FRAME.format("error: [Errno 27] File too large"), "; raise wsgi_app_build_size"),
        (
            REFUSED.format("WARNING: 401 Error, Credentials not correct for https://x/simple/x/\n"),
            "give access by the key pip",
        ),
        (REFUSED.format(""), ""),
        ("  Running command git clone x\n  fatal: no route\nERROR: x\n", f"; {wsgi_venvs.FETCHING}"),
        ("ERROR: Cannot find command 'git' - do you have 'git' installed?\n", f"; {wsgi_venvs.NO_GIT}"),
    ],
)
def test_what_to_do_follows_from_the_failure(output: str, advice: str) -> None:
    told = wsgi_venvs.advice(wsgi_venvs.pip_output.failure(output), output)
    assert advice in told
    assert bool(told) is bool(advice)


def encoded(value: object) -> str:
    return base64.b64encode(json.dumps(value).encode()).decode()


@pytest.mark.slow
def test_the_applications_variables_reach_pip_and_no_message(host: Host) -> None:
    (host.release / "requirements.txt").write_text("nothing-like-this==1\n")
    seen: list[tuple[str, str | None]] = []

    def index(path: str, headers: Message) -> tuple[int, bytes]:
        """One that wants a login, and has nothing."""
        seen.append((path, headers["Authorization"]))
        return 404 if headers["Authorization"] else 401, b""

    with answering(index) as port:
        place = f"127.0.0.1:{port}/simple"
        requirements = f"--index-url http://${{USER_NAME}}:${{TOKEN}}@{place}\nnothing-like-this==1\n"
        (host.release / "requirements.txt").write_text(requirements)
        variables = {"USER_NAME": "deployer", "TOKEN": "s3cret-token", "OTHER": "x"}
        with pytest.raises(wsgi_venvs.VenvError) as failed:
            host.make_all("requirements.txt", environments=encoded({"shop": variables}))
        (host.release / "requirements.txt").write_text("nothing-like-this==1\n")
        access = {"index_url": f"http://{place}2", "netrc": "machine 127.0.0.1 login a password s3cret-other"}
        with pytest.raises(wsgi_venvs.VenvError) as refused:
            host.make_all("requirements.txt", credentials=encoded({"shop": {"pip": access}}))
    login, other = (
        f"Basic {base64.b64encode(text).decode()}" for text in (b"deployer:s3cret-token", b"a:s3cret-other")
    )
    assert ("/simple/nothing-like-this/", login) in seen
    assert ("/simple2/nothing-like-this/", other) in seen
    log = (host.release.parent / "log" / "shop-pip.log").read_text()
    assert "s3cret" not in f"{failed.value} {failed.value.lines} {failed.value.output} {refused.value} {log}"
    assert "No matching distribution found for nothing-like-this==1" in str(failed.value)


@pytest.mark.parametrize(
    ("variables", "problem"),
    [
        ({}, r"\$\{PIP_TARGET\} is empty or not in the key environment; add it there"),
        ({"PIP_TARGET": "/tmp"}, r"\$\{PIP_TARGET\} would steer pip itself; give the variable another name"),
    ],
)
def test_a_variable_that_pip_does_not_get_is_named(host: Host, variables: dict[str, str], problem: str) -> None:
    (host.release / "requirements.txt").write_text("x==${PIP_TARGET}\n")
    with pytest.raises(wsgi_venvs.VenvError, match=f"'shop', key requirements: {problem}"):
        host.make_all("requirements.txt", environments=encoded({"shop": variables}))


@pytest.mark.usefixtures("host")
def test_a_secret_in_what_was_installed_is_refused() -> None:
    """As git keeps the login of a clone."""
    with builder.passing_room(builder.Limits()) as room:
        path = room.folder("venv")
        write = f"mkdir -p {path}/src/x/.git; echo 'url = https://a:s3cret-token@x' > {path}/src/x/.git/config"
        assert room.run(["sh", "-c", write]).status == 0
        wsgi_venvs.refuse_secrets(room, path, ["", "a\n\nb", "url"])
        with pytest.raises(
            wsgi_venvs.VenvError, match=r"^src/x/\.git/config of the new .* holds the secret of a login"
        ):
            wsgi_venvs.refuse_secrets(room, path, ["s3cret-token"])


BACKEND = """
import sys
def get_requires_for_build_wheel(settings=None):
    for number in range(200):
        print("compiling", number)
    print("Error: pg_config executable not found.", "", "Please add the folder of pg_config to the PATH.", sep="\\n")
    print("\\033[31mthat is red\\033[0m")
    sys.exit(1)
"""
"""As psycopg2 fails where libpq is not."""


@pytest.mark.slow
def test_what_cannot_be_built_is_told_with_the_builds_own_reason(host: Host) -> None:
    (host.release / "vendor").mkdir()
    (host.release / "vendor" / "backend.py").write_text(BACKEND)
    (host.release / "vendor" / "pyproject.toml").write_text(
        "[build-system]\nrequires = []\nbuild-backend = 'backend'\nbackend-path = ['.']\n"
    )
    (host.release / "requirements.txt").write_text("./vendor\n")
    with pytest.raises(wsgi_venvs.VenvError) as failed:
        host.make_all("requirements.txt")
    log = host.release.parent / "log" / "shop-pip.log"
    sentence = str(failed.value)
    assert re.fullmatch(
        r"wsgi_apps: application 'shop', key requirements: the requirement \./vendor( \(from .*\))? cannot be built: "
        r"Error: pg_config executable not found\.; name the Debian packages that its build needs in the key "
        r"build_packages, and those that it needs to run in packages \(docs/builds\.md\); the virtual environment in "
        rf"use is untouched; its whole output is in {log} on the host\.",
        sentence,
    ), sentence
    assert failed.value.lines[-3:] == [
        "Error: pg_config executable not found.",
        "Please add the folder of pg_config to the PATH.",
        "that is red",
    ]
    assert len(failed.value.lines) <= 15
    assert "compiling 0\n" in log.read_text()
    assert log.stat().st_mode & 0o777 == 0o600
    host.make_all()
    assert not log.exists(), "it tells of what is no longer so"


@pytest.mark.slow
@pytest.mark.root("acts as another account")
@pytest.mark.parametrize(
    ("requirement", "reason"),
    [
        ("greeting", "No matching distribution found for greeting"),
        ("./vendor", "vendor cannot be built: Error: pg_config"),
    ],
)
def test_pip_gets_what_it_needs_of_a_release_that_is_closed_to_it(host: Host, requirement: str, reason: str) -> None:
    """The requirements files; all of it only where these may point into it."""
    (host.release / "requirements").mkdir()
    (host.release / "requirements" / "live.txt").write_text("--no-index\n-r ../base.txt\n")
    (host.release / "base.txt").write_bytes(f"# -*- coding: latin-1 -*- \u0142\n{requirement}\n".encode("utf-16"))
    (host.release / "vendor").mkdir()
    (host.release / "vendor" / "backend.py").write_text(BACKEND)
    (host.release / "vendor" / "pyproject.toml").write_text(
        "[build-system]\nrequires = []\nbuild-backend = 'backend'\nbackend-path = ['.']\n"
    )
    for path in (host.release, *host.release.rglob("*")):
        path.chmod(path.stat().st_mode & ~0o077)
    with pytest.raises(wsgi_venvs.VenvError, match=reason):
        host.make_all("requirements/live.txt")


def test_check_mode_makes_nothing(host: Host) -> None:
    assert host.make(check_mode=True)["changed"]
    assert host.left() == []


def test_an_installation_from_a_copy_leads_to_the_release(host: Host) -> None:
    """For the kinds of editable installs, those of setuptools before 64 as well."""
    room, venv, copy = host.release.parent, host.release.parent / "venv", host.release.parent / "copy"
    site = venv / "lib" / "python3.11" / "site-packages"
    (venv / "bin").mkdir(parents=True)
    for folder in (site / "shop-1.dist-info", copy / "src" / "shop.egg-info"):
        folder.mkdir(parents=True)
    (copy / "src" / "shop.egg-info" / "PKG-INFO").write_text("Name: shop\n")
    texts = {
        venv / "bin" / "tool": f"__file__ = '{copy}/tool'\n",
        site / "easy-install.pth": f"{copy}/src\n",
        site / "shop.egg-link": f"{copy}/src\n../",
        site / "__editable___shop_finder.py": f"MAPPING = {{'shop': '{copy}/src/shop'}}\n",
        site / "shop-1.dist-info" / "direct_url.json": f'{{"url": "file://{copy}"}}',
    }
    for path, text in texts.items():
        path.write_text(text)
    (venv / "bin" / "compiled").write_bytes(b"\x7fELF\0" + str(copy).encode())
    arguments = [host.interpreter, "-I", "-S", "-c", wsgi_venvs.RELOCATE, str(venv), str(copy), "/srv/wsgi/shop/r1"]
    subprocess.run(arguments, check=True, cwd=room)
    assert {path: path.read_text() for path in texts} == {
        path: text.replace(str(copy), "/srv/wsgi/shop/r1") for path, text in texts.items()
    }
    assert (venv / "bin" / "compiled").read_bytes() == b"\x7fELF\0" + str(copy).encode(), "its length must not change"
    assert (site / "shop.egg-info" / "PKG-INFO").read_text() == "Name: shop\n"
