# SPDX-License-Identifier: Apache-2.0
"""What is in the images, and what is not: size, the standard library, labels, and nothing that only a build needs."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from support.containers import HARDENED, Container, Containers, docker
from support.file_tree import Entry, file_tree
from support.image_forms import APPLICATION, EVERY, FORMS

#: Megabytes of files.
BUDGET = {"default": 150, "slim": 45}

STANDARD_LIBRARY = """
import ctypes, json, locale, os, sqlite3, ssl, sys, zoneinfo
import asyncio, bz2, concurrent.futures, csv, dbm, decimal, email, gzip, hashlib, html, http.server
import logging.config, lzma, multiprocessing, pdb, secrets, smtplib, socket, tempfile, unittest
import urllib.request, uuid, wsgiref, xml.dom.minidom, xml.etree.ElementTree, zipfile, zlib
try:
    json.loads("{")
except ValueError as error:
    import traceback
    told = traceback.format_exc()
folder = ssl.get_default_verify_paths().capath
print(json.dumps({
    "locale": locale.setlocale(locale.LC_ALL, ""),
    "encoding": sys.getfilesystemencoding(),
    "zones": len(zoneinfo.available_timezones()),
    "winter": zoneinfo.ZoneInfo("Europe/Berlin").tzname(__import__("datetime").datetime(2026, 1, 1)),
    # OpenSSL finds the certificate of an authority by the hash of its name.
    "authorities": len([
        name
        for name in os.listdir(folder)
        if name[8:] == ".0" and int(name[:8], 16) >= 0 and os.path.isfile(os.path.join(folder, name))
    ]),
    "sum": sqlite3.connect(":memory:").execute("select 1 + 1").fetchone()[0],
    "pid": ctypes.CDLL(None).getpid() == os.getpid(),
    "traceback": told,
    "addresses": sorted({found[4][0] for found in socket.getaddrinfo("localhost", 80)}),
}))
"""

#: Paths that only a build, a test or another machine needs.
LEFT_OUT = {
    "a compiler": r"usr/bin/(gcc|cc|make|apxs2?)(-[0-9]+)?",
    "a header": r"usr/include/.*\.h",
    "lists of apt": r"var/lib/apt/lists/.+",
    "packages of apt": r"var/cache/apt/.+\.(deb|bin)",
    "a cache of pip": r"(.*/)?\.cache/pip(/.*)?",
    "Ansible": r"(.*/)?(ansible|ansible_collections)/.*",
    "the roles": r"opt/collection/.*",
    "tests of the standard library": r"usr/(local/)?lib/python3\.[0-9]+/(.*/)?(test|tests|idle_test)/.*",
    "modules for these tests": r"usr/(local/)?lib/python3\.[0-9]+/lib-dynload/(_?(xx)?test|xx|_ctypes_test).*",
    "a log": r"var/log/.+",
    "name servers of the building machine": r"etc/resolv\.conf",
    "certificates that only the building machine trusts": r"usr/local/share/ca-certificates/.+",
}


@pytest.fixture(name="name", scope="module", params=EVERY)
def fixture_name(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture(name="tree", scope="module")
def fixture_tree(name: str) -> dict[str, Entry]:
    return file_tree(name)


@pytest.fixture(name="container", scope="module")
def fixture_container(name: str) -> Iterator[Container]:
    """One of the image itself, with the smallest rights; at the end it stops."""
    found = Containers(name)
    try:
        container = found.start(*HARDENED, f"--volume={APPLICATION}/wsgi.py:/app/wsgi.py:ro")
        yield container
        assert container.end("stop", "-t", "30")[0] == 0
    finally:
        found.remove()


def form(name: str) -> str:
    """Whether it is the default image or the slim one."""
    return "slim" if name.endswith("-slim") else "default"


def test_the_image_keeps_to_its_size(name: str) -> None:
    size = int(docker("image", "inspect", "--format={{.Size}}", name).stdout) / 1e6
    print(f"{name}: {size:.1f} MB")
    assert 20 < size <= BUDGET[form(name)]


def test_it_serves_with_the_versions_of_its_name(name: str, container: Container) -> None:
    module, python = name.partition(":")[2].removesuffix("-slim").split("-python")
    told = json.loads(container.run("version").stdout)
    assert told["mod_wsgi"] == module
    assert re.fullmatch(rf"{re.escape(python)}\.\d+(rc\d+|[ab]\d+)?", told["python"])
    assert container.get().json["prefix"] == "/opt/venv"


@pytest.mark.parametrize("what", LEFT_OUT)
def test_nothing_is_left_of_the_build(tree: dict[str, Entry], what: str) -> None:
    assert not [name for name in tree if re.fullmatch(LEFT_OUT[what], name)]


def test_the_standard_library_is_whole(name: str, container: Container) -> None:
    done = container.run("python", "-c", STANDARD_LIBRARY)
    assert done.returncode == 0, done.stderr
    told = json.loads(done.stdout)
    assert (told["locale"].lower().replace("-", ""), told["encoding"]) == ("c.utf8", "utf-8")
    # Debian 13 has the names of old, like US/Eastern, in a package of its own.
    assert told["zones"] > 400
    assert told["winter"] == "CET"
    assert told["authorities"] > 100
    assert (told["sum"], told["pid"]) == (2, True)
    assert "127.0.0.1" in told["addresses"]
    done = container.run("python", "-c", "import curses, readline")
    assert (done.returncode == 0) is (form(name) == "default")
    # With the lines of the source.
    assert "return _default_decoder.decode(s)" in told["traceback"]


def test_every_module_of_python_is_compiled(container: Container) -> None:
    script = "import json, email; print(json.__cached__ or json.__file__, email.__cached__ or email.__file__)"
    done = container.run("python", "-B", "-v", "-c", script)
    assert done.returncode == 0
    assert ".pyc" in done.stdout
    # -v tells of each module that Python has to compile itself.
    compiled = [line for line in done.stderr.splitlines() if "code object from" in line and ".py'" in line]
    assert not [line for line in compiled if "/json/" in line or "/email/" in line]


def test_no_library_is_missing(container: Container, tree: dict[str, Entry]) -> None:
    """Every program and library of the image finds its libraries: the loader of the image itself says so."""
    libraries = [f"/{name}" for name, entry in tree.items() if entry.kind == b"0" and is_binary(name)]
    assert len(libraries) > 50
    script = (
        "import subprocess, sys\n"
        "for path in sys.argv[2:]:\n"
        "    done = subprocess.run([sys.argv[1], '--list', path], capture_output=True, text=True)\n"
        "    if 'not found' in done.stdout + done.stderr: print(path, done.stdout, done.stderr)\n"
    )
    (loader,) = [f"/{name}" for name in tree if re.fullmatch(r"(usr/)?lib(64)?/(.*/)?ld-linux[^/]*\.so\.[0-9]", name)][
        :1
    ]
    done = container.run("python", "-c", script, loader, *libraries)
    assert (done.returncode, done.stdout) == (0, "")


def is_binary(name: str) -> bool:
    """Whether a path is a program or a library of those that serve."""
    return bool(re.search(r"\.so(\.[0-9.]+)?$|^usr/sbin/apache2$|^usr/bin/python3\.[0-9]+$", name))


def test_the_labels_say_what_it_is(name: str) -> None:
    labels = json.loads(docker("image", "inspect", "--format={{json .Config.Labels}}", name).stdout)
    said = {
        name.rpartition("image.")[2]: value for name, value in labels.items() if name.startswith("org.opencontainers")
    }
    assert set(said) == {
        "title", "description", "licenses", "source", "version", "revision", "created", "base.name", "base.digest",
    }  # fmt: skip
    assert said["version"] in name
    assert re.fullmatch(r"[0-9a-f]{40}", said["revision"])
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ", said["created"])
    # The base's digest is known when a registry gave it.
    assert bool(said["base.name"]) == bool(re.fullmatch(r"sha256:[0-9a-f]{64}", said["base.digest"]))


def test_both_forms_promise_the_same() -> None:
    """The contract is one stage of the Containerfile."""
    default, slim = (
        json.loads(docker("image", "inspect", "--format={{json .Config}}", name).stdout) for name in FORMS.values()
    )
    for key in ("User", "ExposedPorts", "Env", "Entrypoint", "Cmd", "WorkingDir", "StopSignal", "Healthcheck"):
        assert default[key] == slim[key], key
    assert default["StopSignal"] == "SIGWINCH"


def test_pip_and_apt_work_in_the_default_image(tmp_path: Path) -> None:
    """A derived image installs a package of each; what it gets comes from this machine, not from the network."""
    files = {
        "shop/__init__.py": "NAME = 'shop'\n",
        "shop-1.0.dist-info/METADATA": "Metadata-Version: 2.1\nName: shop\nVersion: 1.0\n",
        "shop-1.0.dist-info/WHEEL": "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
        "shop-1.0.dist-info/RECORD": "",
    }
    for name, text in files.items():
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text(text)
    script = (
        "cd /package && python -m zipfile -c /tmp/shop-1.0-py3-none-any.whl *\n"
        "pip install --quiet --no-index --root-user-action=ignore /tmp/*.whl\n"
        "cd / && python -c 'import shop; print(shop.NAME, shop.__file__)'\n"
        "apt-get check --quiet\n"
    )
    options = ("--rm", "--user=0", "--network=none", "--entrypoint=/bin/sh", f"--volume={tmp_path}:/package:ro")
    done = docker("run", *options, FORMS["default"], "-ec", script, check=False)
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith("shop /opt/venv/lib/python")
