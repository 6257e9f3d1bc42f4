# SPDX-License-Identifier: Apache-2.0
"""The programs of images/mod-wsgi/build: what goes into an image, and in which state."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import zipfile
from pathlib import Path
from types import ModuleType

import pytest
from support.scripts import ROOT, load_script

BUILD = ROOT / "images/mod-wsgi/build"


def load(name: str) -> ModuleType:
    """A program of the build; it finds the others beside it."""
    path = list(sys.path)
    module = load_script(f"{BUILD}/{name}.py")
    sys.path[:] = path
    return module


roots, slim, control, finish, times = (load(name) for name in ("roots", "slim", "control", "finish", "times"))

LDD = """\
\tlinux-vdso.so.1 (0x00007ffd5a5d6000)
\tlibc.so.6 => /lib/x86_64-linux-gnu/libc.so.6 (0x00007f4c1c600000)
\tlibm.so.6 => /lib/x86_64-linux-gnu/libm.so.6 (0x00007f4c1c500000)
\t/lib64/ld-linux-x86-64.so.2 (0x00007f4c1c900000)
"""
MISSING = "\tlibpq.so.5 => not found\n"


def test_ldd_names_the_libraries_and_the_loader() -> None:
    assert roots.libraries_in(LDD, "/usr/bin/x") == [
        "/lib/x86_64-linux-gnu/libc.so.6",
        "/lib/x86_64-linux-gnu/libm.so.6",
        "/lib64/ld-linux-x86-64.so.2",
    ]


def test_a_missing_library_is_told() -> None:
    with pytest.raises(
        slim.roots.BuildError, match=r"^/usr/bin/x needs libpq\.so\.5, which ldd does not find; install"
    ):
        slim.roots.libraries_in(LDD + MISSING, "/usr/bin/x")


def test_the_libraries_of_a_real_program_are_there() -> None:
    found = roots.closure(["/bin/sh"])
    assert "/bin/sh" in found
    assert any("libc.so" in path for path in found)
    assert all(os.path.exists(path) for path in found)


def tree(root: Path) -> Path:
    """lib -> usr/lib, as on a system with one /usr, with a library that has two names."""
    folder = root / "usr" / "lib"
    folder.mkdir(parents=True)
    (root / "lib").symlink_to("usr/lib")
    (folder / "libx.so.1.2").write_bytes(b"library")
    (folder / "libx.so.1.2").chmod(0o4755)
    os.utime(folder / "libx.so.1.2", (1000, 1000))
    os.utime(folder, (2000, 2000))
    (folder / "libx.so.1").symlink_to("libx.so.1.2")
    os.utime(folder, (2000, 2000))
    return root


def test_the_way_to_a_path_goes_over_its_links(tmp_path: Path) -> None:
    root = tree(tmp_path)
    found = [path[len(str(root)) :] for path in roots.steps(f"{root}/lib/libx.so.1") if path.startswith(f"{root}/")]
    assert found == ["/lib", "/usr", "/usr/lib", "/usr/lib/libx.so.1", "/usr/lib/libx.so.1.2"]


def test_links_that_lead_in_a_circle_are_refused(tmp_path: Path) -> None:
    (tmp_path / "a").symlink_to("b")
    (tmp_path / "b").symlink_to("a")
    with pytest.raises(roots.BuildError, match="lead in a circle"):
        list(roots.steps(str(tmp_path / "a")))


def test_a_copy_has_links_modes_and_times(tmp_path: Path) -> None:
    root, target = tree(tmp_path / "root"), tmp_path / "target"
    target.mkdir()
    roots.copy([f"{root}/lib/libx.so.1"], target)
    copied = target / str(root).lstrip("/")
    assert os.readlink(copied / "lib") == "usr/lib"
    library = copied / "usr/lib/libx.so.1.2"
    assert (copied / "lib/libx.so.1").read_bytes() == b"library"
    assert library.stat().st_mode & 0o7777 == 0o4755
    assert (library.stat().st_mtime, (copied / "usr/lib").stat().st_mtime) == (1000, 2000)


def test_folders_of_some_names_are_passed_over(tmp_path: Path) -> None:
    for name in ("kept/a", "test/b", "kept/test/c"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).touch()
    (tmp_path / "empty").mkdir()
    found = {path[len(str(tmp_path)) + 1 :] for path in roots.below(str(tmp_path), ["test"])}
    assert found == {"kept/a", "empty"}


STATUS = """\
Package: libx1
Status: install ok installed
Architecture: amd64
Description: a library
 of two lines

Package: gone
Status: deinstall ok config-files
Architecture: all

Package: data
Status: install ok installed
Architecture: all
"""


def test_only_installed_packages_are_known() -> None:
    found = roots.stanzas(STATUS)
    assert set(found) == {"libx1", "libx1:amd64", "data", "data:all"}
    assert found["libx1:amd64"].endswith("\n of two lines")


def test_a_file_has_its_package_whichever_way_its_list_goes(tmp_path: Path) -> None:
    root = tree(tmp_path)
    owner = roots.owners({"libx1": [f"{root}/lib/libx.so.1.2"]})
    assert owner == {f"{root}/usr/lib/libx.so.1.2": "libx1"}


def test_modules_in_use_are_those_of_enabled_files(tmp_path: Path) -> None:
    for name, text in (
        ("mods-available/alias.load", "LoadModule alias_module /usr/lib/apache2/modules/mod_alias.so\n"),
        ("mods-available/other.load", "LoadModule other_module /usr/lib/apache2/modules/mod_other.so\n"),
        ("conf-enabled/wsgi.conf", '# LoadModule no /no.so\n  LoadModule wsgi_module "/opt/w.so"\n'),
    ):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text(text)
    (tmp_path / "mods-enabled").mkdir()
    (tmp_path / "mods-enabled/alias.load").symlink_to("../mods-available/alias.load")
    (tmp_path / "mods-enabled/broken.load").symlink_to("../mods-available/missing.load")
    assert list(slim.module_paths(str(tmp_path))) == ["/opt/w.so", "/usr/lib/apache2/modules/mod_alias.so"]


POLICY = json.loads(Path(slim.POLICY).read_text(encoding="utf-8"))["libraries"]


def test_a_library_that_wheels_may_expect_has_a_package_or_a_reason() -> None:
    for name, said in POLICY.items():
        assert re.fullmatch(r"lib[A-Za-z0-9_+.-]+\.so\.[0-9]+", name)
        assert set(said) in ({"package"}, {"package", "machines"}, {"left_out"}), name
        assert re.fullmatch(r"[a-z0-9.+-]+", said.get("package", "p")), name
        assert said.get("left_out", "A sentence.").endswith("."), name


@pytest.mark.parametrize("stub", ["pthread.so.0", "dl.so.2", "rt.so.1", "util.so.1", "resolv.so.2", "nsl.so.1"])
def test_the_image_has_what_glibc_has_in_itself_today_and_wheels_name(stub: str) -> None:
    assert slim.expected_by_wheels()[f"lib{stub}"] == {"package": "libc6"}


def test_libraries_are_found_by_name_and_one_that_wheels_expect_has_to_be_there(tmp_path: Path) -> None:
    folders = [str(target_of(tmp_path / "first")), str(target_of(tmp_path / "second"))]
    for path in ("first/libdl.so.2", "first/libother.so.1", "second/libz.so.1", "second/libnss_files.so.2"):
        (tmp_path / path).touch()
    expected = {name: POLICY[name] for name in ("libdl.so.2", "libz.so.1", "libmvec.so.1")}
    found = [f"{tmp_path}/first/libdl.so.2", f"{tmp_path}/second/libnss_files.so.2", f"{tmp_path}/second/libz.so.1"]
    assert slim.named_libraries(folders, expected, "aarch64") == found
    with pytest.raises(slim.roots.BuildError, match=r"^Wheels may expect libmvec\.so\.1, .*; install libc6\.$"):
        slim.named_libraries(folders, expected, "x86_64")


def test_the_home_of_a_user_has_one_path() -> None:
    """What the entry point makes is what /etc/passwd says of the image's account, and our library of anybody else."""
    text = (BUILD.parent / "runtime/settings.py").read_text(encoding="utf-8")
    (prefix,) = re.findall(r'^HOMES = "(.+?)"', text, re.MULTILINE)
    assert f'"{prefix}%lu"' in (BUILD / "nss.c").read_text(encoding="utf-8")
    containerfile = (BUILD.parent / "Containerfile").read_text(encoding="utf-8")
    assert f"--uid 65532 --gid 0 --no-log-init --no-create-home --home-dir {prefix}65532 " in containerfile
    assert "\nUSER 65532:0\n" in containerfile


def library(folder: Path) -> Path:
    """A standard library of four modules, one of them a test, one that Python needs before it can read archives."""
    tag = sys.implementation.cache_tag
    for name in ("json/__init__.py", "encodings/utf_8.py", "os.py", "test/test_json.py", "lib-dynload/_ssl.so"):
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(f"# {name}\n")
    for name in (f"json/__pycache__/__init__.{tag}.pyc", f"encodings/__pycache__/utf_8.{tag}.pyc"):
        (folder / name).parent.mkdir(parents=True)
        (folder / name).write_bytes(b"byte code")
    return folder


def test_the_standard_library_is_split(tmp_path: Path) -> None:
    folder = library(tmp_path)
    archived, files = ([path[len(str(folder)) + 1 :] for path in paths] for paths in slim.split_library(str(folder)))
    assert archived == ["json/__init__.py"]
    tag = sys.implementation.cache_tag
    assert set(files) == {
        "encodings/utf_8.py",
        f"encodings/__pycache__/utf_8.{tag}.pyc",
        "lib-dynload/_ssl.so",
        "os.py",
    }


def test_the_archive_is_the_same_whenever_it_is_made(tmp_path: Path) -> None:
    folder = library(tmp_path / "library")
    sources = [str(folder / name) for name in ("os.py", "json/__init__.py")]
    slim.write_archive(str(folder), sources, tmp_path / "first.zip")
    for path in folder.rglob("*"):
        os.utime(path, (1, 1))
    slim.write_archive(str(folder), sources[::-1], tmp_path / "second.zip")
    assert (tmp_path / "first.zip").read_bytes() == (tmp_path / "second.zip").read_bytes()
    with zipfile.ZipFile(tmp_path / "first.zip") as archive:
        assert archive.namelist() == ["json/__init__.py", "json/__init__.pyc", "os.py"]


def test_python_imports_from_the_archive(tmp_path: Path) -> None:
    (tmp_path / "module.py").write_text("NAME = 'archived'\n")
    slim.write_archive(str(tmp_path), [str(tmp_path / "module.py")], tmp_path / "library.zip")
    script = "import sys; sys.path[:0] = sys.argv[1:]; import module; print(module.NAME, module.__file__)"
    command = [sys.executable, "-I", "-c", script, str(tmp_path / "library.zip")]
    said = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    assert said == f"archived {tmp_path}/library.zip/module.py\n"


@pytest.mark.parametrize(
    ("path", "left_out"),
    [
        ("/opt/venv/bin/pip3.11", True),
        ("/opt/venv/lib/python3.11/site-packages/pip/__main__.py", False),
        ("/opt/venv/lib/python3.11/site-packages/pipeline/__init__.py", False),
        ("/opt/venv/bin/python", False),
        ("/opt/mod_wsgi/1.2.3-cp311/lib/python3.11/site-packages/mod_wsgi/images/snake.jpg", True),
        ("/opt/mod_wsgi/1.2.3-cp311/lib/python3.11/site-packages/mod_wsgi/server/mod_wsgi-py311.so", False),
    ],
)
def test_pip_is_left_out_and_nothing_that_serves(path: str, left_out: bool) -> None:
    assert bool(slim.NOT_FOR_SERVING.match(path)) is left_out


@pytest.mark.parametrize(
    ("name", "left_out"),
    [
        ("lib-dynload/readline.cpython-311-x86_64-linux-gnu.so", True),
        ("lib-dynload/_dbm.cpython-311-x86_64-linux-gnu.so", True),
        ("lib-dynload/nis.cpython-39-x86_64-linux-gnu.so", True),
        ("turtle.py", True),
        ("dbm/dumb.py", False),
        ("lib-dynload/_sqlite3.cpython-311-x86_64-linux-gnu.so", False),
        ("nismo.py", False),
    ],
)
def test_modules_that_no_site_serves_by_are_left_out(name: str, left_out: bool) -> None:
    assert bool(slim.NOT_FOR_SITES.match(name)) is left_out


def test_the_database_has_the_packages_of_what_is_kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    root, target = tmp_path / "root", tmp_path / "target"
    kept, dropped = root / "usr/lib/libx.so", root / "usr/share/data"
    for path in (kept, dropped, root / "usr/lib/other.so"):
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("content")
    information = root / "var/lib/dpkg/info"
    information.mkdir(parents=True)
    (information / "libx1:amd64.list").write_text(f"{root}/usr/lib\n{kept}\n{root}/usr/lib/other.so\n")
    (information / "libx1:amd64.md5sums").write_text(f"aa  {str(kept)[1:]}\nbb  {str(root)[1:]}/usr/lib/other.so\n")
    (information / "data.list").write_text(f"{dropped}\n")
    (root / "var/lib/dpkg/status").write_text(STATUS)
    monkeypatch.setattr(slim, "ROOT", root)
    slim.roots.copy([str(kept)], target_of(target))
    assert slim.keep_packages([str(kept)], [], target) == ["libx1:amd64"]
    written = target / "var/lib/dpkg"
    assert (written / "status").read_text() == STATUS.split("\n\n", maxsplit=1)[0] + "\n\n"
    assert (written / "info/libx1:amd64.list").read_text() == f"{root}/usr/lib\n{kept}\n"
    assert (written / "info/libx1:amd64.md5sums").read_text() == f"aa  {str(kept)[1:]}\n"
    assert not (written / "info/data.list").exists()


def target_of(path: Path) -> Path:
    path.mkdir()
    return path


def test_a_package_of_the_archive_is_in_the_database_without_these_files(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    root, target = tmp_path / "root", target_of(tmp_path / "target")
    module = root / "usr/lib/python3/json.py"
    module.parent.mkdir(parents=True)
    module.touch()
    information = root / "var/lib/dpkg/info"
    information.mkdir(parents=True)
    (information / "data.list").write_text(f"{module}\n")
    (root / "var/lib/dpkg/status").write_text(STATUS)
    monkeypatch.setattr(slim, "ROOT", root)
    assert slim.keep_packages([], [str(module)], target) == ["data"]
    assert (target / "var/lib/dpkg/info/data.list").read_text() == ""


def test_ansible_is_started_with_the_loader_that_it_brings() -> None:
    text = control.command(
        Path("/opt/control"),
        "/usr/bin/python3.11",
        ["/lib/x86_64-linux-gnu/libc.so.6", "/lib64/ld-linux-x86-64.so.2"],
        control.loader(LDD),
        Path("/opt/control/start.py"),
    )
    assert text == (
        "#!/bin/sh\n"
        "exec /opt/control/root/lib64/ld-linux-x86-64.so.2 "
        "--library-path /opt/control/root/lib/x86_64-linux-gnu:/opt/control/root/lib64 "
        '/opt/control/root/usr/bin/python3.11 -I /opt/control/start.py "$@"\n'
    )


def test_the_day_of_a_password_is_that_of_a_build() -> None:
    shadow = "root:*:19000:0:99999:7:::\nwww-data:!:20000:0:99999:7:::\nlocked:!::0:99999:7:::\n"
    assert finish.without_days(shadow) == "root:*::0:99999:7:::\nwww-data:!::0:99999:7:::\nlocked:!::0:99999:7:::\n"


def test_byte_code_depends_on_the_source_alone(tmp_path: Path) -> None:
    source = tmp_path / "module.py"
    source.write_text("NAME = 'shop'\n")
    codes = []
    for moment in (1_000_000_000, 1_500_000_000):
        os.utime(source, (moment, moment))
        finish.remove_byte_code(str(tmp_path))
        finish.compile_sources(str(tmp_path))
        (code,) = (tmp_path / "__pycache__").iterdir()
        codes.append(code.read_bytes())
    assert codes[0] == codes[1]
    assert int.from_bytes(codes[0][4:8], "little") == 0b01  # by hash, unchecked (PEP 552)


def test_links_and_folders_are_removed_without_what_they_lead_to(tmp_path: Path) -> None:
    (tmp_path / "outside").mkdir()
    (tmp_path / "outside/file").touch()
    (tmp_path / "link").symlink_to("outside")
    (tmp_path / "folder/below").mkdir(parents=True)
    for name in ("link", "folder", "missing"):
        finish.remove(str(tmp_path / name))
    assert sorted(path.name for path in tmp_path.iterdir()) == ["outside"]
    assert (tmp_path / "outside/file").exists()


def test_every_time_is_the_moment_and_names_of_one_file_stay_together(tmp_path: Path) -> None:
    folder = tmp_path / "root" / "folder"
    folder.mkdir(parents=True)
    (folder / "file").write_text("x")
    (folder / "second-name").hardlink_to(folder / "file")
    (folder / "link").symlink_to("nowhere")
    assert times.set_all(str(tmp_path / "root"), 1_234_567_890) == 5
    paths = [tmp_path / "root", *(tmp_path / "root").rglob("*")]
    assert {os.lstat(path).st_mtime for path in paths} == {1_234_567_890}
    assert (folder / "file").samefile(folder / "second-name")
