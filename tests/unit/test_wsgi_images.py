# SPDX-License-Identifier: Apache-2.0
"""Which images there are, and what they are made of."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from ansible_collections.modwsgi.deploy.plugins.module_utils import mod_wsgi_versions
from ansible_collections.modwsgi.deploy.plugins.module_utils.distributions import DISTRIBUTIONS

from tools.laboratory import images, wsgi_images
from tools.laboratory.console import Console, LabError
from tools.laboratory.state import Lab
from tools.laboratory.suites import DEFAULT_SUITE, SUITES
from tools.laboratory.wsgi_images import Image, chosen, context_hash, make_context, requirements, versions

REPOSITORY = Path(__file__).parents[2]
CONTAINERFILE = (REPOSITORY / "images/mod-wsgi/Containerfile").read_text(encoding="utf-8")
IMAGES = versions(REPOSITORY)


@pytest.mark.parametrize("image", IMAGES, ids=lambda image: image.tags[0])
def test_an_image_has_the_python_of_its_suite_and_a_module_for_it(image: Image) -> None:
    (distribution,) = [known for known in DISTRIBUTIONS.values() if known.codename == image.suite]
    assert image.python == distribution.python
    assert image.module in mod_wsgi_versions.versions_for(image.python, distribution.strict_compiler)
    assert image.tags[0] == f"{image.module}-python{image.python}"


def test_a_tag_means_one_image() -> None:
    tags = [tag for image in IMAGES for tag in image.tags]
    assert len(tags) == len(set(tags))


def test_the_short_tags_are_the_default_module_on_the_default_suite() -> None:
    (newest,) = [image for image in IMAGES if "latest" in image.tags]
    assert (newest.module, newest.suite) == (mod_wsgi_versions.DEFAULT_VERSION, DEFAULT_SUITE)
    assert newest.tags[1:] == (mod_wsgi_versions.DEFAULT_VERSION, "latest")


def test_images_are_chosen_by_python_and_module() -> None:
    assert chosen(IMAGES, "", "") == IMAGES
    assert [image.suite for image in chosen(IMAGES, "3.11", "6.1.1")] == ["bookworm"]
    with pytest.raises(LabError, match=r"no image for PYTHON=3\.8 MOD_WSGI=: there is mod_wsgi 6\.1\.1 for Python"):
        chosen(IMAGES, "3.8", "")


def test_what_applies_the_roles_is_pinned_as_for_this_repository() -> None:
    locked = (REPOSITORY / "requirements-dev.txt").read_text(encoding="utf-8")
    text = requirements(locked, wsgi_images.CONTROL_PACKAGES)
    pinned = dict(re.findall(r"^([a-z0-9-]+)==(\S+)", text, re.MULTILINE))
    assert tuple(pinned) == wsgi_images.CONTROL_PACKAGES
    assert f"ansible-core=={pinned['ansible-core']} " in locked
    # Hashes, and no line that belongs to another package.
    assert all(re.match(r"[a-z0-9-]+==|    (--hash=sha256:|#)", line) for line in text.splitlines())


def test_a_package_that_is_not_pinned_is_told() -> None:
    with pytest.raises(LabError, match="does not pin cffi: run `make lock`"):
        requirements("jinja2==3.1.6 \\\n    --hash=sha256:00\n", ["jinja2", "cffi"])


def test_the_context_has_the_roles_the_runtime_and_the_certificates(tmp_path: Path) -> None:
    context = tmp_path / "context"
    make_context(REPOSITORY, context, {"authority.crt": b"certificate"})
    for name in (
        "Containerfile",
        "runtime/entrypoint.py",
        "requirements.txt",
        "ca-certificates/authority.crt",
        "collection/playbooks/image.yml",
        "collection/collections/ansible_collections/modwsgi/deploy/roles/httpd/tasks/main.yml",
    ):
        assert (context / name).is_file(), name
    assert not [path for path in context.rglob("*") if path.name == "__pycache__"]
    assert {path.stat().st_mode & 0o777 for path in context.rglob("*")} == {0o644, 0o755}


def test_the_hash_is_of_names_and_contents(tmp_path: Path) -> None:
    make_context(REPOSITORY, tmp_path / "one", {})
    make_context(REPOSITORY, tmp_path / "two", {})
    assert context_hash(tmp_path / "one") == context_hash(tmp_path / "two")
    (tmp_path / "two/collection/roles/httpd/tasks/main.yml").write_text("---\n", encoding="utf-8")
    assert context_hash(tmp_path / "one") != context_hash(tmp_path / "two")


def test_the_base_of_an_image_is_not_the_base_of_a_test_host() -> None:
    suite = SUITES[DEFAULT_SUITE]
    assert images.base_image(suite, ()) != images.base_image(suite)


@pytest.mark.parametrize("name", ["debian", "127.0.0.1:5000/team/python", "registry.example.com/python"])
def test_the_port_of_a_registry_is_no_tag(name: str) -> None:
    assert wsgi_images.without_tag(name) == name
    assert wsgi_images.without_tag(f"{name}:3.12-slim") == name


def test_an_image_that_is_what_it_should_be_is_not_built_again(monkeypatch: pytest.MonkeyPatch) -> None:
    built: dict[str, str] = {}

    def build(lab: Lab, image: Image, suite: object, base: str, context: Path, definition: str) -> None:
        del lab, suite, base, context
        built.update(dict.fromkeys([*image.names, image.builder], definition))

    monkeypatch.setattr(images, "ensure_base", lambda *_, **__: "base")
    monkeypatch.setattr(wsgi_images, "_build", build)
    monkeypatch.setattr(wsgi_images, "_definition", lambda name: built.get(name, ""))
    lab, consoles = Lab(REPOSITORY), [Console(), Console(), Console()]
    wsgi_images.ensure(lab, consoles[0], IMAGES[:1])
    wsgi_images.ensure(lab, consoles[1], IMAGES[:1])
    # A name that now means something else.
    built[IMAGES[0].names[-1]] = "another"
    wsgi_images.ensure(lab, consoles[2], IMAGES[:1])
    assert [console.spoke for console in consoles] == [True, False, True]


@pytest.fixture(name="docker")
def fixture_docker(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A `docker` that notes what it is to build; the stage in which FAILS is named ends with an error."""
    calls = tmp_path / "calls"
    script = tmp_path / "programs/docker"
    script.parent.mkdir()
    script.write_text(f"""#!/bin/sh
echo "$@" >> {calls}
case "$@" in
  *--target=$FAILS*) echo "no space left" >&2; exit 1;;
  *"inspect --format {{{{.Id}}}} mod-wsgi:latest") echo "sha256:$(grep -c "^build .*:latest" {calls})";;
esac
""")
    script.chmod(0o755)
    monkeypatch.setenv("PATH", f"{script.parent}:/usr/bin:/bin")
    monkeypatch.setattr(images, "ensure_base", lambda *_, **__: "the-base")
    monkeypatch.setattr(wsgi_images, "make_context", lambda _repository, context, _certificates: context.mkdir())
    return calls


def test_every_stage_has_a_name_by_which_it_is_removed(
    tmp_path: Path, docker: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("FAILS", "none")
    lab = Lab(tmp_path)
    wsgi_images.ensure(lab, Console(), IMAGES[:1])
    builds = [line for line in docker.read_text(encoding="utf-8").splitlines() if line.startswith("build ")]
    named = [re.findall(r"--tag=(\S+)", build) for build in builds]
    assert named == [[IMAGES[0].builder], [IMAGES[0].roles], IMAGES[0].names]
    assert lab.recall("images") == sorted(name for names in named for name in names)
    assert all("--build-arg=BASE_IMAGE=the-base" in build for build in builds)
    assert all("--build-arg=PYTHON_VERSION=3.11" in build for build in builds)
    # What the name stood for before.
    assert docker.read_text(encoding="utf-8").splitlines()[-1] == "image rm sha256:0"


def test_a_build_that_fails_is_told_with_its_log(tmp_path: Path, docker: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FAILS", "roles")
    lab = Lab(tmp_path)
    with pytest.raises(LabError, match=r"image-roles:\S+ was not built \(no space left\): the log is .*/\.lab/image-"):
        wsgi_images.ensure(lab, Console(), IMAGES[:1])
    assert docker.exists()
    # What is there already is remembered, too.
    assert IMAGES[0].builder in lab.recall("images")


def test_a_derived_image_shows_the_way_in_twenty_lines() -> None:
    for example in ("flask", "django"):
        text = (REPOSITORY / "examples" / example / "Containerfile").read_text(encoding="utf-8")
        assert len(text.splitlines()) <= 20
        # Together with the image from which the virtual environment comes.
        assert set(re.findall(r"=mod-wsgi:(\S+?)(?:-build)?$", text, re.MULTILINE)) == {IMAGES[0].tags[0]}


def test_any_builder_can_read_the_containerfile() -> None:
    for pattern in (r"^#\s*syntax", "<<", "--mount", "--chmod", "--link"):
        assert not re.search(pattern, CONTAINERFILE, re.MULTILINE), pattern


def test_nothing_of_the_stage_with_the_roles_comes_along_but_what_serves() -> None:
    final = CONTAINERFILE.rpartition("\nFROM ")[2]
    assert "ca-certificates" not in final
    assert re.findall(r"--from=roles (\S+)", final) == [
        "/etc/apache2/",
        "/etc/mod-wsgi/",
        "/opt/mod_wsgi/",
        "/usr/local/lib/modwsgi-image/",
    ]
