# SPDX-License-Identifier: Apache-2.0
"""The slim image has the libraries that wheels may expect of every system, and imports compiled wheels."""

from __future__ import annotations

import hashlib
import json
import platform
import re
import shutil
import subprocess
import sys
import tempfile
import zipfile
from pathlib import Path

import pytest
from support.containers import HARDENED, Containers, docker
from support.image_forms import EVERY, FORMS

ROOT = Path(__file__).parents[2]
POLICY = json.loads((ROOT / "images/mod-wsgi/build/manylinux.json").read_text(encoding="utf-8"))["libraries"]
PINS = ROOT / "tests/images/wheels.txt"
LOADED = """
import ctypes, json, sys
def problem(name):
    try:
        ctypes.CDLL(name)
    except OSError as error:
        return str(error)
print(json.dumps({name: problem(name) for name in sys.argv[1:]}))
"""

#: What is imported of each distribution of wheels.in: the compiled part, since some fall back to Python.
MODULES = {
    "bcrypt": "bcrypt",
    "cryptography": "cryptography.hazmat.bindings._rust",
    "greenlet": "greenlet",
    "lxml": "lxml.etree",
    "msgpack": "msgpack._cmsgpack",
    "numpy": "numpy.linalg",
    "orjson": "orjson",
    "pillow": "PIL._imaging",
    "psycopg": "psycopg psycopg_binary._psycopg",
    "pydantic": "pydantic_core._pydantic_core",
    "pyyaml": "yaml._yaml",
    "sqlalchemy": "sqlalchemy.engine._row_cy",
}
IMPORTED = """
import importlib, json, sys
sys.path.insert(0, "/wheels")
def problem(names):
    try:
        for name in names.split():
            importlib.import_module(name)
    except Exception as error:
        return repr(error)
print(json.dumps({name: problem(name) for name in sys.argv[1:]}))
"""


@pytest.fixture(name="loaded", scope="module", params=EVERY)
def fixture_loaded(request: pytest.FixtureRequest) -> dict[str, str | None]:
    """What an image says when it is to load each library of the policies; None when it does."""
    return answer(str(request.param), LOADED, *POLICY)


def answer(image: str, script: str, *words: str, options: tuple[str, ...] = ()) -> dict[str, str | None]:
    """What a script in a container says of each word."""
    containers = Containers(image)
    try:
        done = containers.run("python", "-c", script, *words, options=[*HARDENED, *options])
    finally:
        containers.remove()
    assert done.returncode == 0, done.stderr
    found: dict[str, str | None] = json.loads(done.stdout)
    return found


@pytest.mark.parametrize("name", POLICY)
def test_a_library_that_wheels_may_expect_is_there_or_left_out_for_a_reason(
    loaded: dict[str, str | None], name: str
) -> None:
    said = POLICY[name]
    if "left_out" in said:
        assert loaded[name], f"{name} is there: say so in manylinux.json"
    elif platform.machine() in said.get("machines", [platform.machine()]):
        assert loaded[name] is None


def wheels(python: str) -> Path:
    """The folder with the contents of all wheels for a Python; they are fetched at the first use, and again when the
    pins change."""
    folder = ROOT / ".lab" / f"image-wheels-{python}"
    stamp, wanted = folder / "stamp", hashlib.sha256(PINS.read_bytes()).hexdigest()
    if stamp.is_file() and stamp.read_text() == wanted:
        return folder
    shutil.rmtree(folder, ignore_errors=True)
    # As pip in an image with the glibc of Debian 12 would choose them.
    policies = ["manylinux2014", *(f"manylinux_2_{minor}" for minor in range(17, 37))]
    platforms = [f"--platform={policy}_{platform.machine()}" for policy in policies]
    options = ["--quiet", "--disable-pip-version-check", "--require-hashes", "--no-deps", "--only-binary=:all:"]
    with tempfile.TemporaryDirectory(prefix="modwsgi-wheels-") as downloaded:
        command = [sys.executable, "-m", "pip", "download", *options, f"--python-version={python}", *platforms]
        done = subprocess.run(
            [*command, f"--dest={downloaded}", f"--requirement={PINS}"], capture_output=True, text=True, check=False
        )
        assert done.returncode == 0, done.stderr
        for wheel in Path(downloaded).iterdir():
            with zipfile.ZipFile(wheel) as archive:
                archive.extractall(folder)
    stamp.write_text(wanted)
    return folder


@pytest.fixture(name="imported", scope="module")
def fixture_imported() -> dict[str, str | None]:
    """What the slim image says when it is to import each wheel."""
    python = json.loads(docker("run", "--rm", FORMS["slim"], "version").stdout)["python"].rpartition(".")[0]
    volume = f"--volume={wheels(python)}:/wheels:ro"
    return answer(FORMS["slim"], IMPORTED, *MODULES.values(), options=(volume,))


@pytest.mark.skipif("python3.9" in FORMS["slim"], reason="the pinned releases need Python 3.11 or later")
@pytest.mark.parametrize("name", MODULES)
def test_the_slim_image_imports_a_compiled_wheel(imported: dict[str, str | None], name: str) -> None:
    assert imported[MODULES[name]] is None


def test_every_wheel_that_is_installed_is_imported() -> None:
    lines = (ROOT / "tests/images/wheels.in").read_text(encoding="utf-8").splitlines()
    assert {re.split(r"\W", line)[0] for line in lines if not line.startswith("#")} == set(MODULES)
