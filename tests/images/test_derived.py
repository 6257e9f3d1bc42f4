# SPDX-License-Identifier: Apache-2.0
"""Derived images: what an application or a package brings runs without root's rights, and what users write works.

Wherever code can come along there is a marker, which writes down its name and the user that has run it.
"""

from __future__ import annotations

import subprocess
import tarfile
import textwrap
import uuid
import zipfile
from collections.abc import Iterator
from io import BytesIO
from pathlib import Path

import pytest
from support.breadth import wider
from support.containers import ROOT_HARDENED, Containers, docker
from support.image_forms import FORMS

BUILD = f"{FORMS['default']}-build"
ACCOUNT, SERVING, CHILD = 65531, 65532, 33
"""wsgi-build; the user of the image; www-data, whose the application is when the container is root's."""

#: One line, as a .pth file needs it. Who may not write down has done no harm.
MARK = "import os; exec(\"try: open('/ran/{name} %d' % os.getuid(), 'a').close()\\nexcept OSError: pass\")\n"
LIKE_THE_STANDARD_LIBRARY = ("calendar/__init__", "encodings/__init__", "json", "pip/__init__", "secrets", "subprocess")
LIKE_THE_STANDARD_LIBRARY += ("sitecustomize", "usercustomize", "venv")
PROGRAMS = ("cat", "mkdir", "pip", "sh")
"""Programs of the system, or ours, that a package brings once more."""

PROJECT = '[build-system]\nrequires = []\nbuild-backend = "backend"\nbackend-path = ["."]\n'
BACKEND = """\
import base64, os, zipfile
def build_wheel(folder, config_settings=None, metadata_directory=None):
    open("written-into-the-source", "w").close()
    with zipfile.ZipFile(os.path.join(folder, "backend_marker-1.0-py3-none-any.whl"), "w") as wheel:
        for name, text in (
            ("METADATA", "Metadata-Version: 2.1\\nName: backend-marker\\nVersion: 1.0\\n"),
            ("WHEEL", "Wheel-Version: 1.0\\nRoot-Is-Purelib: true\\nTag: py3-none-any\\n"),
            ("RECORD", ""),
        ):
            wheel.writestr("backend_marker-1.0.dist-info/" + name, text)
    return "backend_marker-1.0-py3-none-any.whl"
"""
APPLICATION = """\
def application(environ, start_response):
    start_response("200 OK", [("Content-Type", "text/plain")])
    return [b"served"]
"""

INSTALLING = """\
ARG FROM
FROM ${{FROM}}
USER root
RUN mkdir --mode=1777 /ran
WORKDIR /app
COPY app/ /app/
COPY src/ /src/
RUN pip install --quiet --no-index /src/marker-1.0-py3-none-any.whl \\
 && {more} \\
 && mkdir /made && cat /app/wsgi.py > /dev/null && sh -c : \\
 && . /opt/venv/bin/activate && pip check \\
 && test -z "$(/usr/bin/find /opt/venv /opt/pip ! -user root -o -perm /6022 ! -type l)" && test ! -e /opt/pip/scratch
USER 65532:0
RUN python /app/wsgi.py && pip freeze && marker
"""
WITH_A_COMPILER = """\
python -m pip install --quiet --no-index /src/backend && test ! -e /src/backend/written-into-the-source \
&& pip install --quiet ../src/legacy \
&& pip config set global.timeout 20 && /bin/grep --quiet 'timeout = 20' /root/.config/pip/pip.conf"""
"""setuptools comes from an index, whose certificate only the image with a compiler is sure to trust."""
USING = """\
ARG BASE
ARG FROM
FROM ${FROM} AS build
FROM ${BASE}
COPY --from=build /opt/venv/ /opt/venv/
COPY app/ /app/
"""


def marker(name: str) -> str:
    return MARK.format(name=name.replace("/", "."))


def wheel(path: Path) -> None:
    """A wheel with a marker in each place where code of a wheel can run."""
    data = "marker-1.0.data/scripts"
    with zipfile.ZipFile(path, "w") as archive:
        for name, text in {
            "marker.pth": marker("pth"),
            "sitecustomize.py": marker("sitecustomize-of-a-wheel"),
            "usercustomize.py": marker("usercustomize-of-a-wheel"),
            "marker.py": f"{marker('entry-point')}def main():\n    print('entry point')\n",
            **{f"{data}/{name}": f"#!python\n{marker(f'program-{name}')}" for name in PROGRAMS},
            "marker-1.0.dist-info/entry_points.txt": "[console_scripts]\nmarker = marker:main\n",
            "marker-1.0.dist-info/METADATA": "Metadata-Version: 2.1\nName: marker\nVersion: 1.0\n",
            "marker-1.0.dist-info/WHEEL": "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
            "marker-1.0.dist-info/RECORD": "",
        }.items():
            archive.writestr(name, text)


@pytest.fixture(name="context", scope="module")
def fixture_context(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A build context with markers in the application's folder, a wheel and two source trees."""
    context = tmp_path_factory.mktemp("context")
    files = {f"app/{name}.py": marker(f"app-{name}") for name in LIKE_THE_STANDARD_LIBRARY} | {
        "app/wsgi.py": APPLICATION,
        "src/legacy/setup.py": marker("setup.py")
        + "import setuptools\nsetuptools.setup(name='legacy', version='1.0')\n",
        "src/backend/pyproject.toml": PROJECT,
        "src/backend/backend.py": marker("backend") + BACKEND,
    }
    for name, text in files.items():
        path = context / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
    wheel(context / "src/marker-1.0-py3-none-any.whl")
    return context


def derive(context: Path, recipe: str, **arguments: str) -> str:
    """The name of the image of a recipe."""
    name = f"modwsgi-lab/derived-test:{uuid.uuid4().hex}"
    words = [f"--build-arg={key}={value}" for key, value in arguments.items()]
    (context / "Containerfile").write_text(recipe, encoding="utf-8")
    done = subprocess.run(
        ["docker", "build", *words, f"--tag={name}", f"--file={context}/Containerfile", str(context)],
        stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-3000:]
    return name


def records(container: str) -> set[tuple[str, int]]:
    """Which markers have run in a container or its image, and as whom."""
    done = subprocess.run(["docker", "cp", f"{container}:/ran/.", "-"], capture_output=True, check=True)
    with tarfile.open(fileobj=BytesIO(done.stdout)) as archive:
        names = [Path(member.name).name for member in archive if member.isfile()]
    return {(name, int(user)) for name, _, user in (each.partition(" ") for each in names)}


@pytest.fixture(
    name="derived",
    scope="module",
    params=wider(["build", "default"], "pip of the same files on the image that serves, where fewer ways are open"),
)
def fixture_derived(request: pytest.FixtureRequest, context: Path) -> Iterator[str]:
    """An image that has installed everything, on the image with a compiler and on the one that serves."""
    base, more = {"build": (BUILD, WITH_A_COMPILER), "default": (FORMS["default"], ":")}[request.param]
    name = derive(context, INSTALLING.format(more=more), FROM=base)
    yield name
    docker("image", "rm", "--force", name, check=False)


def test_nothing_that_was_brought_along_has_run_as_root(derived: str, request: pytest.FixtureRequest) -> None:
    container = docker("create", derived, "serve").stdout.strip()
    try:
        found = records(container)
    finally:
        docker("rm", container)
    print(sorted(found))
    assert [name for name, user in found if user == 0] == []
    expected = {("pth", ACCOUNT), ("pth", SERVING), ("entry-point", SERVING)}
    if request.node.callspec.params["derived"] == "build":
        expected |= {("backend", ACCOUNT), ("setup.py", ACCOUNT)}
    assert expected <= found


def test_an_image_of_it_serves_and_root_imports_nothing_at_a_start(
    derived: str, context: Path, tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    is_build = request.node.callspec.params["derived"] == "build"
    name = derive(context, USING, FROM=derived, BASE=FORMS["slim"]) if is_build else derived
    containers = Containers(name)
    tmp_path.chmod(0o777)
    ran = f"--volume={tmp_path}:/ran"
    try:
        container = containers.start(*ROOT_HARDENED, ran)
        assert container.get().body == b"served"
        assert container.health().stdout == "healthy\n"
        done = containers.run("python", "-c", "import os; print(os.getuid())", options=[*ROOT_HARDENED, ran])
        assert done.stdout == f"{CHILD}\n", done.stderr
        assert containers.run("check", options=[*ROOT_HARDENED, ran]).returncode == 0
        assert containers.run("debug", options=[*ROOT_HARDENED, ran]).returncode == 64
        found = {each.name.rpartition(" ")[::2] for each in tmp_path.iterdir()}
        assert {user for _, user in found} == {str(CHILD)}
        assert ("pth", str(CHILD)) in found
    finally:
        containers.remove()
        if is_build:
            docker("image", "rm", "--force", name, check=False)


def test_secrets_caches_and_folders_of_users_work(context: Path, tmp_path: Path) -> None:
    """What a build mounts, here by volumes: a secret is root's, mode 0400; and a cache belongs to wsgi-build."""
    (tmp_path / "secret").write_text("[global]\nno-index = true\nfind-links = /wheels\n")
    (tmp_path / "secret").chmod(0o400)
    (tmp_path / "cache").mkdir()
    script = textwrap.dedent("""\
        chown 65531:65531 /cache
        mkdir /private && chmod 700 /private && cd /private
        echo marker > requirements.txt
        PIP_CONFIG_FILE=/run/secrets/pip pip install --quiet --requirement requirements.txt
        pip wheel --cache-dir /cache --quiet --no-index --wheel-dir /wheelhouse /src/backend
        ls -l /wheelhouse
        pip install --quiet --no-index --target /app/lib /src/marker-1.0-py3-none-any.whl
        stat --format=%U:%a /app/lib /app/lib/marker.py
        python -c 'import marker, os; print(os.path.dirname(os.path.dirname(marker.__file__)))'
        """)
    mounts = (("secret", "/run/secrets/pip"), ("cache", "/cache"))
    volumes = [f"--volume={tmp_path}/{source}:{target}" for source, target in mounts]
    volumes += [f"--volume={context}/src:{target}:ro" for target in ("/wheels", "/src")]
    options = ("--rm", "--user=0", "--network=none", "--entrypoint=/bin/sh")
    done = docker("run", *options, *volumes, BUILD, "-ec", script, check=False)
    assert done.returncode == 0, done.stderr
    assert "cache" not in done.stderr
    _, wheel_line, folder, module, where = done.stdout.splitlines()
    assert wheel_line.startswith("-rw-r--r-- 1 root root")
    assert (folder, module) == ("root:755", "root:644")
    assert where.startswith("/opt/venv/lib/python")
