# SPDX-License-Identifier: Apache-2.0
"""Where images are pushed, under which names, and what is said when that does not work."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from tools.laboratory import publishing
from tools.laboratory.console import Console, LabError
from tools.laboratory.publishing import Destination, destination, failure, names
from tools.laboratory.wsgi_images import Image

IMAGE = Image("6.1.1", "3.11", "bookworm", ("6.1.1-python3.11", "6.1.1", "latest"))
OTHER = Image("6.1.1", "3.13", "trixie", ("6.1.1-python3.13",))
DIGEST = "sha256:" + "a" * 64


@pytest.mark.parametrize(
    ("registry", "host", "path"),
    [
        ("registry.example.com/team", "registry.example.com", "/team"),
        ("registry.example.com/team/", "registry.example.com", "/team"),
        ("127.0.0.1:5000", "127.0.0.1:5000", ""),
        ("localhost/a/b-c__d.e", "localhost", "/a/b-c__d.e"),
        ("[::1]:5000/a", "[::1]:5000", "/a"),
        ("builder:5000/a", "builder:5000", "/a"),
    ],
)
def test_a_registry_is_a_host_and_a_path(registry: str, host: str, path: str) -> None:
    assert destination(registry) == Destination(host, path)
    assert destination(registry).name("mod-wsgi:6.1.1") == f"{host}{path}/mod-wsgi:6.1.1"


@pytest.mark.parametrize(
    ("registry", "sentence"),
    [
        ("", r"No registry is named: .*make push REGISTRY="),
        ("https://registry.example.com/team", "is an address: leave out what comes before the host"),
        ("registry.example.com/Team", "lower-case"),
        ("registry.example.com//team", "is no host"),
        ("registry.example.com/team:tag", "is no host"),
        ("registry.example.com/team ", "is no host"),
        ("-registry.example.com/team", "is no host"),
        ("registry.example.com/team\n", "is no host"),
        ("--all-tags", "is no host"),
        ("team", "does not begin with a host"),
        ("team/shop", "does not begin with a host"),
        ("registry.example.com:0/team", "has the port 0"),
        ("registry.example.com:70000/team", "has the port 70000"),
    ],
)
def test_what_is_no_registry_is_refused(registry: str, sentence: str) -> None:
    with pytest.raises(LabError, match=sentence) as refused:
        destination(registry)
    assert registry in str(refused.value)


def test_the_short_names_are_pushed_last() -> None:
    assert names(IMAGE) == [
        "mod-wsgi:6.1.1-python3.11-build",
        "mod-wsgi:6.1.1-python3.11-slim",
        "mod-wsgi:6.1.1-python3.11",
        "mod-wsgi:6.1.1-slim",
        "mod-wsgi:slim",
        "mod-wsgi:6.1.1",
        "mod-wsgi:latest",
    ]


@pytest.mark.parametrize(
    ("said", "sentence"),
    [
        ("no basic auth credentials", r"refuses .*\(no basic auth credentials\): `docker login r\.example:5000`"),
        ("unauthorized: authentication required", "refuses"),
        ("denied: requested access to the resource is denied", "refuses"),
        (
            "Get https://r/v2/: dial tcp 127.0.0.1:1: connect: connection refused",
            "No registry answers at r.example:5000",
        ),
        ("dial tcp: lookup r on 127.0.0.53:53: no such host", "No registry answers"),
        ("no answer within 1800 s\ncontext deadline exceeded", "No registry answers"),
        ("http: server gave HTTP response to HTTPS client", "does not speak TLS"),
        ("x509: certificate signed by unknown authority", r"does not trust .*certs\.d/r\.example:5000/ca\.crt"),
        ("received unexpected HTTP status: 507", r"was not pushed: received unexpected HTTP status: 507\."),
    ],
)
def test_a_failure_is_told_in_one_sentence(said: str, sentence: str) -> None:
    where = destination("r.example:5000/team")
    text = failure(where.name("mod-wsgi:latest"), where, f"The push refers to repository\n{said}\n")
    assert re.search(sentence, text)
    assert "\n" not in text


class Engine:
    """A `docker` that knows images by name, and notes what it was told."""

    def __init__(self, folder: Path) -> None:
        self.images = folder / "images"
        self.images.mkdir(parents=True)
        self.calls = folder / "calls"
        self.pushed = folder / "pushed"
        self.pushed.write_text(f"latest: digest: {DIGEST} size: 1234\n", encoding="utf-8")
        script = folder / "programs/docker"
        script.parent.mkdir()
        script.write_text(f"""#!/bin/sh
file() {{ echo "{self.images}/$(echo "$1" | tr / _)"; }}
echo "$@" >> {self.calls}
case "$1 $2" in
  "image inspect") cat "$(file "$5")";;
  "image rm") rm "$(file "$4")";;
  tag*) if [ -e "$(file "$2")" ]; then cp "$(file "$2")" "$(file "$3")"; else echo "$2" > "$(file "$3")"; fi;;
  push*) cat {self.pushed}; case $(cat {self.pushed}) in *digest*|odd*) ;; *) exit 1;; esac;;
esac
""")
        script.chmod(0o755)
        self.path = f"{script.parent}:/usr/bin:/bin"

    def has(self, *wanted: str) -> None:
        for name in wanted:
            (self.images / name.replace("/", "_")).write_text(f"sha256:{name}\n", encoding="utf-8")

    @property
    def known(self) -> dict[str, str]:
        return {path.name: path.read_text(encoding="utf-8").strip() for path in self.images.iterdir()}


@pytest.fixture(name="engine")
def fixture_engine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Engine:
    engine = Engine(tmp_path / "engine")
    monkeypatch.setenv("PATH", engine.path)
    return engine


def test_all_names_are_pushed_and_none_is_left_behind(engine: Engine) -> None:
    engine.has(*names(IMAGE))
    before = engine.known
    where = destination("127.0.0.1:5000/team")
    assert list(publishing.push(Console(), [IMAGE], where)) == [
        f"127.0.0.1:5000/team/{name}@{DIGEST}" for name in names(IMAGE)
    ]
    assert engine.known == before


def test_a_name_that_was_there_stays_what_it_was(engine: Engine) -> None:
    engine.has(*names(IMAGE), "127.0.0.1:5000/mod-wsgi:latest")
    list(publishing.push(Console(), [IMAGE], destination("127.0.0.1:5000")))
    assert engine.known["127.0.0.1:5000_mod-wsgi:latest"] == "sha256:127.0.0.1:5000/mod-wsgi:latest"


def test_a_push_that_fails_leaves_no_name_behind(engine: Engine) -> None:
    engine.has(*names(IMAGE))
    before = engine.known
    engine.pushed.write_text("no basic auth credentials\n", encoding="utf-8")
    with pytest.raises(LabError, match=r"refuses 127\.0\.0\.1:5000/mod-wsgi:6\.1\.1-python3\.11-build"):
        list(publishing.push(Console(), [IMAGE], destination("127.0.0.1:5000")))
    assert engine.known == before
    engine.pushed.write_text("odd\n", encoding="utf-8")
    with pytest.raises(LabError, match=r"the engine tells no digest: odd\."):
        list(publishing.push(Console(), [IMAGE], destination("127.0.0.1:5000")))


def test_what_is_not_built_is_left_out_unless_it_was_chosen(engine: Engine) -> None:
    engine.has(*names(IMAGE))
    assert publishing.built(Console(), [IMAGE, OTHER], all_of_them=False) == [IMAGE]
    with pytest.raises(
        LabError, match=r"3\.13-build is not built: `make images PYTHON=3\.13 MOD_WSGI=6\.1\.1` builds it"
    ):
        publishing.built(Console(), [OTHER], all_of_them=True)
    with pytest.raises(LabError, match=r"No image of images/versions\.json is built: `make images` builds them"):
        publishing.built(Console(), [OTHER], all_of_them=False)


def test_an_image_that_is_built_in_part_is_refused(engine: Engine) -> None:
    engine.has(*OTHER.names)
    with pytest.raises(LabError, match=r"mod-wsgi:6\.1\.1-python3\.13-build is not built"):
        publishing.built(Console(), [OTHER], all_of_them=False)
