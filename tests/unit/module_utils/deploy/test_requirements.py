# SPDX-License-Identifier: Apache-2.0
"""Requirements files are read as pip reads them: no other file of theirs is missed, nor that they lead elsewhere."""

from __future__ import annotations

import codecs
from pathlib import Path

import pytest
from ansible_collections.modwsgi.deploy.plugins.module_utils.deploy import requirements
from ansible_collections.modwsgi.deploy.plugins.module_utils.deploy.requirements import RequirementsError, parse, read

REMOTE = [
    "flask",
    "flask==3.1.3",
    "flask == 3.1.*, !=3.1.2",
    "Flask[async,dotenv]>=3,<4",
    "flask (>=3)",
    "zope.interface~=6.0",
    'tomli; python_version < "3.11"',
    'tomli>=2 ; python_version < "3.11" and sys_platform == "linux"',
    "flask===3.1",
    "flask==3.1.3 --hash=sha256:0000",
    "flask==3.1.3 \\\n    --hash=sha256:0000 \\\n    --hash=sha256:1111",
    "flask  # from ./vendor",
    "# -e .",
    "pip @ https://example.com/pip-23.0-py3-none-any.whl",
    'pip@ https://example.com/pip-23.0-py3-none-any.whl ; python_version > "3"',
    "https://example.com/pip-23.0-py3-none-any.whl#sha256=00",
    "shop @ git+https://git.example.com/shop.git@v1",
    "git+ssh://git@git.example.com/shop.git@v1#egg=shop",
    "-e git+https://git.example.com/shop.git#egg=shop",
    "--editable=git+ssh://git@git.example.com/shop.git#egg=shop",
    "-i https://pypi.example.com/simple",
    "--index-url=https://pypi.example.com/simple",
    "--extra-index-url https://pypi.example.com/simple",
    "--extra https://pypi.example.com/simple",
    "-f https://pypi.example.com/wheels",
    "--no-index",
    "--only-binary :all:",
    "--require-hashes",
    "-c https://example.com/pins.txt",
    "-rhttps://example.com/more.txt",
]
LOCAL = [
    ".",
    "./",
    "..",
    ".[web]",
    ". ; python_version > '3'",
    "./vendor/package",
    "vendor/x.whl",
    "vendor/x-1.0.tar.gz[extra]",
    "x-1.0-py3-none-any.whl",
    "x-1.0.TAR.GZ",
    "../package",
    "/srv/packages/x.whl",
    "file:vendor/x",
    "file:///srv/package",
    "package @ file:///srv/package",
    "package @ file:vendor/package",
    "package@./vendor/package",
    "git+file:///srv/git/x.git",
    "-e .",
    "-e.",
    "-e.[web]",
    "-e './src'",
    '--editable "."',
    "--editable=.[web]",
    "--edit .",
    "-e \\\n.",
    "-f vendor",
    "-fvendor",
    "-f 'ven dor'",
    "--find-links vendor",
    "--find-links=file:vendor",
    "--find vendor",
    "--index-url file:///srv/simple",
    "--extra-index-url ./simple",
    '"./vendor/package"',
    "vendor/x.whl  # why",
    "package @ ./vendor/package",
    "${PACKAGE}",
    "flask==${VERSION}",
    "package @ ${ADDRESS}",
    "--index-url ${ADDRESS}",
    "--surprise",
    "flask == 3.1 --surprise=x",
    "-e 'unbalanced",
]


@pytest.mark.parametrize("text", REMOTE)
def test_names_versions_hashes_and_addresses_do_not_depend_on_the_release(text: str) -> None:
    assert not any(line.local for line in parse(text))


@pytest.mark.parametrize("text", LOCAL)
def test_whatever_else_may_point_into_the_release(text: str) -> None:
    assert any(line.local for line in parse(text))


@pytest.mark.parametrize(
    "text",
    [
        "-r more.txt",
        "-rmore.txt",
        "-r=more.txt",
        "--requirement more.txt",
        "--requirement=more.txt",
        "--requirem=more.txt",
        '-r "more.txt"',
        "-r \\\n more.txt",
        "-c more.txt",
        "-cmore.txt",
        "--constraint 'more.txt'",
        "  -r more.txt  # why",
        "flask\n-r more.txt\n",
        "--no-index -r more.txt",
    ],
)
def test_every_way_to_include_a_file_is_known(text: str, tmp_path: Path) -> None:
    (tmp_path / "requirements.txt").write_text(text)
    name = "=more.txt" if text == "-r=more.txt" else "more.txt"  # so does pip
    (tmp_path / name).write_text("-e .\n")
    found = read(str(tmp_path), "requirements.txt")
    assert sorted(found.files) == sorted(["requirements.txt", name])
    assert found.local


def test_included_files_belong_to_the_requirements(tmp_path: Path) -> None:
    (tmp_path / "requirements").mkdir()
    (tmp_path / "requirements" / "prod.txt").write_text("-rbase.txt\n--constraint=../pins.txt\n-c https://x/y.txt\n")
    (tmp_path / "requirements" / "base.txt").write_text("-r prod.txt\nflask --hash=sha256:00\n")
    (tmp_path / "pins.txt").write_text("flask==3.1\n")
    found = read(str(tmp_path), "requirements/prod.txt")
    assert sorted(found.files) == ["pins.txt", "requirements/base.txt", "requirements/prod.txt"]
    assert found.hashed
    assert not found.local


@pytest.mark.parametrize(
    "line", ["-r ../outside.txt", "-r/etc/shadow", "-r link.txt", "-c missing.txt", "-r file:x.txt"]
)
def test_an_included_file_that_is_not_in_the_source_is_refused(tmp_path: Path, line: str) -> None:
    release = tmp_path / "release"
    release.mkdir()
    (tmp_path / "outside.txt").write_text("")
    (release / "link.txt").symlink_to("../outside.txt")
    (release / "requirements.txt").write_text(line)
    with pytest.raises(RequirementsError, match=r"txt|shadow is not in the source"):
        read(str(release), "requirements.txt")


@pytest.mark.parametrize(
    "content",
    [
        "flask\n# größe\n".encode("utf-8-sig"),
        "flask\n# größe\n".encode("utf-16"),  # as PowerShell writes it
        codecs.BOM_UTF16_BE + "flask\n# größe\n".encode("utf-16-be"),
        "flask\n# größe\n".encode("utf-32"),
        "# -*- coding: latin-1 -*-\nflask\n# größe\n".encode("latin-1"),
    ],
)
def test_a_file_is_read_as_its_writer_has_encoded_it(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "requirements.txt").write_bytes(content)
    found = read(str(tmp_path), "requirements.txt")
    assert [line.requirement for line in found.lines] == ["flask"]
    assert "größe" in found.files["requirements.txt"]
    assert not found.local


@pytest.mark.parametrize("content", [b"\xff", b"flask\n\xe9", b"# coding: no-such\n", b"# coding: rot13\n"])
def test_a_file_that_cannot_be_read_is_named(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "requirements.txt").write_bytes(content)
    with pytest.raises(RequirementsError, match=r"^the requirements file requirements\.txt cannot be read \("):
        read(str(tmp_path), "requirements.txt")


def test_what_is_read_is_bounded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "requirements.txt").write_bytes(b"# " + b"x" * requirements.LARGEST_FILE)
    with pytest.raises(RequirementsError, match="is larger than 1048576 bytes"):
        read(str(tmp_path), "requirements.txt")
    monkeypatch.setattr(requirements, "MOST_FILES", 3)
    for number in range(4):
        (tmp_path / f"{number}.txt").write_text(f"-r {number + 1}.txt\n")
    with pytest.raises(RequirementsError, match="more than 3 requirements files"):
        read(str(tmp_path), "0.txt")


def test_variables_are_told_apart_by_what_they_are_for() -> None:
    text = (
        "-i https://${A}:${B}@x/${C}/simple\nx @ https://${D}@x/${E}  # ${F}\ny @ https://${E}:x@z/ ${lower}\n# ${G}\n"
    )
    found = requirements.Requirements({"a.txt": text}).variables
    assert found.all == set("ABCDE")
    assert found.deciding == {"E"}
    assert found.users == {"A", "E"}
    assert found.secret == set("BCD")
