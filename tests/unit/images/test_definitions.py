# SPDX-License-Identifier: Apache-2.0
"""Which images there are, and what they are made of."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from ansible_collections.modwsgi.deploy.plugins.module_utils.distributions import DISTRIBUTIONS
from ansible_collections.modwsgi.deploy.plugins.module_utils.mod_wsgi import versions as mod_wsgi_versions
from support.newest import NEWEST
from support.scripts import ROOT

from tools.laboratory import images, wsgi_images
from tools.laboratory.console import Console, LabError
from tools.laboratory.state import Lab
from tools.laboratory.suites import DEFAULT_SUITE, SUITES
from tools.laboratory.wsgi_images import Image, chosen, context_hash, make_context, requirements, versions

CONTAINERFILE = (ROOT / "images/mod-wsgi/Containerfile").read_text(encoding="utf-8")
IMAGES = versions(ROOT)


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
    assert [image.suite for image in chosen(IMAGES, "3.11", NEWEST)] == ["bookworm"]
    with pytest.raises(LabError, match=r"no image for PYTHON=3\.8 MOD_WSGI=: there is mod_wsgi .* for Python"):
        chosen(IMAGES, "3.8", "")


def test_what_applies_the_roles_is_pinned_as_for_this_repository() -> None:
    locked = (ROOT / "requirements-dev.txt").read_text(encoding="utf-8")
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
    make_context(ROOT, context, {"authority.crt": b"certificate"})
    for name in (
        "Containerfile",
        "runtime/entrypoint.py",
        "requirements.txt",
        "ca-certificates/authority.crt",
        "server/play.yml",
        "collection/collections/ansible_collections/modwsgi/deploy/roles/httpd/tasks/main.yml",
    ):
        assert (context / name).is_file(), name
    assert not [path for path in context.rglob("*") if path.name == "__pycache__"]
    assert {path.stat().st_mode & 0o777 for path in context.rglob("*")} == {0o644, 0o755}


def test_the_hash_is_of_names_and_contents(tmp_path: Path) -> None:
    make_context(ROOT, tmp_path / "one", {})
    make_context(ROOT, tmp_path / "two", {})
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


@pytest.mark.slow
def test_an_image_that_is_what_it_should_be_is_not_built_again(monkeypatch: pytest.MonkeyPatch) -> None:
    built: dict[str, str] = {}

    def build(lab: Lab, image: Image, arguments: object, context: Path, definition: str) -> None:
        del lab, arguments, context
        built.update(dict.fromkeys([*image.names, *image.slim_names, image.builder], definition))

    monkeypatch.setattr(images, "ensure_base", lambda *_, **__: "base")
    monkeypatch.setattr(wsgi_images, "_digest", lambda _name: "")
    monkeypatch.setattr(wsgi_images, "build", build)
    monkeypatch.setattr(wsgi_images, "write_boms", lambda _lab, _image: None)
    monkeypatch.setattr(wsgi_images, "_definition", lambda name: built.get(name, ""))
    lab, consoles = Lab(ROOT), [Console(), Console(), Console()]
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
    assert named == [IMAGES[0].stage(stage) for stage in wsgi_images.STAGES]
    assert named[0] == [f"mod-wsgi:{NEWEST}-python3.11-build"]
    assert named[-2:] == [
        [f"mod-wsgi:{NEWEST}-python3.11-slim", f"mod-wsgi:{NEWEST}-slim", "mod-wsgi:slim"],
        [f"mod-wsgi:{NEWEST}-python3.11", f"mod-wsgi:{NEWEST}", "mod-wsgi:latest"],
    ]
    assert lab.recall("images") == sorted(name for names in named for name in names)
    assert all("--build-arg=BASE_IMAGE=the-base" in build for build in builds)
    assert all("--build-arg=PYTHON_VERSION=3.11" in build for build in builds)
    # What the name stood for before.
    assert "image rm sha256:0" in docker.read_text(encoding="utf-8").splitlines()


def test_all_names_are_pushed_the_short_ones_last(docker: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    built = IMAGES[0].names[0]
    monkeypatch.setattr(images, "exists", lambda name: name == built)
    digest = "sha256:" + "a" * 64
    script = docker.parent / "programs/docker"
    script.write_text(f'#!/bin/sh\necho "$@" >> {docker}\necho "digest: {digest} size: 1"\n', encoding="utf-8")
    names = [f"{IMAGES[0].builder}", IMAGES[0].slim_names[0], built, *IMAGES[0].slim_names[1:], *IMAGES[0].names[1:]]
    remotes = [f"registry.example.com/team/{name}" for name in names]
    pushed = wsgi_images.push(IMAGES, "registry.example.com/team/", all_of_them=False)
    assert list(pushed) == [f"{remote}@{digest}" for remote in remotes]
    calls = docker.read_text(encoding="utf-8").splitlines()
    assert calls == [
        line
        for name, remote in zip(names, remotes, strict=True)
        for line in (f"tag {name} {remote}", f"push {remote}", f"image rm --no-prune {remote}")
    ], "and no name is left behind"


def test_what_cannot_be_pushed_is_refused(docker: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(images, "exists", lambda _name: False)
    for registry in ("", "team", "team/shop"):
        with pytest.raises(LabError, match=f"^REGISTRY={registry} does not begin with a host"):
            list(wsgi_images.push(IMAGES, registry, all_of_them=False))
    with pytest.raises(LabError, match=r"^No image of images/versions\.json is built"):
        list(wsgi_images.push(IMAGES, "localhost/team", all_of_them=False))
    (docker.parent / "programs/docker").write_text("#!/bin/sh\necho no such image >&2\nexit 1\n", encoding="utf-8")
    with pytest.raises(LabError, match=r"`docker tag mod-wsgi:.*-build` failed: no such image"):
        list(wsgi_images.push(IMAGES, "127.0.0.1:5000", all_of_them=True))


def test_what_is_in_an_image_is_said_beside_it(tmp_path: Path, docker: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FAILS", "none")
    lab = Lab(tmp_path)
    wsgi_images.write_boms(lab, IMAGES[0])
    calls = docker.read_text(encoding="utf-8").splitlines()
    for name in (f"mod-wsgi-{NEWEST}-python3.11.spdx.json", f"mod-wsgi-{NEWEST}-python3.11-slim.spdx.json"):
        assert any(
            call.startswith("cp ") and call.endswith(f"{wsgi_images.SBOM} {tmp_path}/.lab/sbom/{name}")
            for call in calls
        )
    assert len([call for call in calls if call.startswith("rm ")]) == 2


def test_a_build_that_fails_is_told_with_its_log(tmp_path: Path, docker: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FAILS", "roles")
    lab = Lab(tmp_path)
    with pytest.raises(LabError, match=r"image-roles:\S+ was not built \(no space left\): the log is .*/\.lab/image-"):
        wsgi_images.ensure(lab, Console(), IMAGES[:1])
    assert docker.exists()
    # What is there already is remembered, too.
    assert IMAGES[0].builder in lab.recall("images")


def test_any_builder_can_read_the_containerfile() -> None:
    for pattern in (r"^#\s*syntax", "<<", "--mount", "--chmod", "--link"):
        assert not re.search(pattern, CONTAINERFILE, re.MULTILINE), pattern


def stages() -> dict[str, str]:
    """The text of each stage of the Containerfile."""
    return dict(re.findall(r"^FROM \S+ AS (\S+)\n((?:(?!FROM ).*\n)*)", CONTAINERFILE, re.MULTILINE))


def test_every_stage_that_is_kept_is_one_of_the_file_in_its_order() -> None:
    assert [stage for stage in stages() if stage in wsgi_images.STAGES] == list(wsgi_images.STAGES)


def test_nothing_of_the_stage_with_the_roles_comes_along_but_what_serves() -> None:
    complete = stages()["complete"]
    assert "ca-certificates" not in complete
    assert re.findall(r"--from=roles (\S+)", complete) == [
        "/etc/apache2/",
        "/etc/mod-wsgi/",
        "/opt/mod_wsgi/",
        "/usr/local/lib/modwsgi-image/",
    ]


def test_what_serves_begins_with_nothing_and_has_one_contract() -> None:
    for stage, source in (("slim", "--from=slim-root /slim/ /"), ("default", "--from=complete / /")):
        steps = [line for line in stages()[stage].splitlines() if line and not line.startswith("#")]
        assert steps == [f"COPY {source}", "WORKDIR /app"]
        assert f"FROM contract AS {stage}\n" in CONTAINERFILE
    assert "FROM scratch AS contract\n" in CONTAINERFILE


def test_an_image_on_a_base_of_the_user_s_is_named_for_its_python() -> None:
    image = wsgi_images.on_base(IMAGES, "python:3.12-slim", "3.12", "", "")
    assert (image.names, image.slim_names) == (
        [f"mod-wsgi:{NEWEST}-python3.12"],
        [f"mod-wsgi:{NEWEST}-python3.12-slim"],
    )
    assert wsgi_images.on_base(IMAGES, "python:3.12-slim", "3.12", "5.0.2", "ours").names == ["mod-wsgi:ours"]


@pytest.mark.parametrize(
    ("python", "tag", "sentence"),
    [
        ("", "", "BASE_IMAGE=python:slim needs the version of its Python, for example PYTHON=3.12."),
        ("3", "", "BASE_IMAGE=python:slim needs the version of its Python, for example PYTHON=3.12."),
        (
            "3.11",
            "",
            f"The tag {NEWEST}-python3.11 is that of an image of images/versions.json; name another with TAG=.",
        ),
        ("3.12", "slim", "The tag slim is that of an image of images/versions.json; name another with TAG=."),
        ("3.12", "a b", "TAG=a b is no tag of an image; use letters, digits, dots and dashes."),
    ],
)
def test_a_base_that_does_not_say_enough_is_refused(python: str, tag: str, sentence: str) -> None:
    with pytest.raises(LabError, match=f"^{re.escape(sentence)}$"):
        wsgi_images.on_base(IMAGES, "python:slim", python, "", tag)


def test_a_base_that_is_nowhere_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(images, "exists", lambda _image: False)
    monkeypatch.setattr(images, "_pull", lambda _console, _image: False)
    image = wsgi_images.on_base(IMAGES, "python:3.12-slim", "3.12", "", "")
    with pytest.raises(LabError, match=r"^The image python:3\.12-slim is not on this machine and cannot be pulled"):
        wsgi_images.ensure(Lab(tmp_path), Console(), [image])


def test_an_old_base_has_the_roles_applied_by_a_newer_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(images, "ensure_base", lambda _lab, _console, suite, **_: f"base:{suite.name}")
    monkeypatch.setattr(wsgi_images, "docker", lambda _words: "")
    found = {
        image.suite: wsgi_images.base_arguments(Lab(tmp_path), Console(), image)["CONTROL_IMAGE"] for image in IMAGES
    }
    assert found == {
        "bullseye": "base:bookworm",
        "bookworm": "base:bookworm",
        "trixie": "base:trixie",
        "forky": "base:forky",
    }


def test_a_base_from_a_registry_is_used_by_its_digest(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    digest = "sha256:" + "0" * 64
    monkeypatch.setattr(images, "ensure_base", lambda *_, **__: "debian:bookworm-slim")
    monkeypatch.setattr(wsgi_images, "docker", lambda _words: f"mirror.example/other@sha256:1 debian@{digest} \n")
    found = wsgi_images.base_arguments(Lab(tmp_path), Console(), IMAGES[0])
    assert found["BASE_IMAGE"] == f"debian@{digest}"
    assert (found["BASE_NAME"], found["BASE_DIGEST"]) == ("debian:bookworm-slim", digest)


@pytest.mark.parametrize(
    ("remote", "address"),
    [
        ("https://user:secret@git.example.com/team/deploy.git", "https://git.example.com/team/deploy"),
        ("git@git.example.com:team/deploy.git", "https://git.example.com/team/deploy"),
        ("ssh://git@git.example.com/team/deploy", "https://git.example.com/team/deploy"),
        ("/srv/git/deploy", ""),
        ("../deploy", ""),
        ("file:///srv/git/deploy", ""),
        ("", ""),
    ],
)
def test_the_address_of_the_source_is_one_for_everybody(remote: str, address: str) -> None:
    assert wsgi_images.public_address(remote) == address


def test_outside_of_a_clone_an_image_has_the_earliest_time(tmp_path: Path) -> None:
    found = wsgi_images.revision(tmp_path)
    assert found == {"REVISION": "", "SOURCE_DATE_EPOCH": "315619200", "CREATED": "1980-01-02T00:00:00Z", "SOURCE": ""}
