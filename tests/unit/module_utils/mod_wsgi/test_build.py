# SPDX-License-Identifier: Apache-2.0
"""The build: what pip says becomes one sentence, and nothing is left behind."""

from __future__ import annotations

import fcntl
import hashlib
import os
import stat
import sys
from zipfile import ZipFile

import pytest
from ansible_collections.modwsgi.deploy.plugins.module_utils.mod_wsgi import build as mod_wsgi_build
from ansible_collections.modwsgi.deploy.plugins.module_utils.mod_wsgi.build import BuildError
from ansible_collections.modwsgi.deploy.plugins.module_utils.mod_wsgi.installation import COMPANIONS

EXPECTED, GOT = "a" * 64, "b" * 64
MISMATCH = f"""ERROR: THESE PACKAGES DO NOT MATCH THE HASHES FROM THE REQUIREMENTS FILE.
    mod_wsgi==6.1.1 from somewhere:
        Expected sha256 {EXPECTED}
             Got        {GOT}
"""


COMPLETE = "reload_drain_module\0wsgi_buffering_module\0wsgi_admission_module"


class Tools:
    """Stands for pip and venv: answers each command in turn, and writes the wheel where pip would."""

    def __init__(self, answers, linked="3.11", symbol=COMPLETE, compiled=(0, "")):
        self.answers, self.linked, self.symbol, self.calls = answers, linked, symbol, []
        self.compiled, self.compilations = compiled, []

    def __call__(self, command, environment, directory):
        if command[0] == "apxs":
            return 0, f" -D{command[-1]} '-Ione folder'\n"
        if command[0] == "gcc":
            self.compilations.append(command)
            return self.compiled
        self.calls.append((command, dict(environment)))
        if "--wheel-dir" in command:
            (directory / "wheels").mkdir()
            with ZipFile(directory / "wheels" / "mod_wsgi-6.1.1-cp311-cp311-linux_x86_64.whl", "w") as archive:
                archive.writestr("mod_wsgi/server/mod_wsgi.so", f"libpython{self.linked}.so.1.0\0{self.symbol}\0")
            self.requirement = (directory / "requirements.txt").read_text(encoding="utf-8")
        return self.answers[len(self.calls) - 1]


@pytest.fixture
def build(tmp_path, monkeypatch):
    def run(tools, **changes):
        monkeypatch.setattr(mod_wsgi_build, "_run", tools)
        parameters = {
            "executable": "/usr/bin/python3.11",
            "python": "3.11",
            "version": "6.1.1",
            "sha256": EXPECTED,
            "source": "",
            "directory": tmp_path / "build",
            "destination": tmp_path / "out",
            "companions": [f"/var/cache/modwsgi/key/mod_{name}.c" for name in COMPANIONS],
            "extra_environment": {},
            "host": "web1",
        }
        try:
            return mod_wsgi_build.build_wheel(**{**parameters, **changes})
        finally:
            assert not (tmp_path / "build").exists()

    return run


def test_the_wheel_and_its_checksum_are_left(build, tmp_path):
    tools = Tools([(0, ""), (0, ""), (0, "")])

    wheel, checksum = build(tools)

    assert wheel == tmp_path / "out" / "mod_wsgi-6.1.1-cp311-cp311-linux_x86_64.whl"
    assert checksum == hashlib.sha256(wheel.read_bytes()).hexdigest()
    assert wheel.with_name(f"{wheel.name}.sha256").read_text(encoding="utf-8") == f"{checksum}  {wheel.name}\n"
    assert tools.requirement == f"mod_wsgi==6.1.1 --hash=sha256:{EXPECTED}\n"
    assert all("--require-hashes" in command for command, _ in tools.calls[1:])


def test_builds_in_one_folder_wait_for_each_other(build, tmp_path):
    class Neighbour(Tools):
        def __call__(self, command, environment, directory):
            with pytest.raises(BlockingIOError):
                take_turn(tmp_path)
            return super().__call__(command, environment, directory)

    build(Neighbour([(0, ""), (0, ""), (0, "")]))
    take_turn(tmp_path)


def take_turn(folder):
    turn = folder / "build.turn"
    assert stat.S_IMODE(turn.stat().st_mode) == 0o600, "who can open it can hold it"
    descriptor = os.open(turn, os.O_RDONLY)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    finally:
        os.close(descriptor)


def test_what_an_earlier_build_has_left_is_found_as_long_as_it_is_that(build):
    wheel, checksum = build(Tools([(0, ""), (0, ""), (0, "")]))

    assert mod_wsgi_build.kept_wheel(wheel, "3.11") == checksum
    assert mod_wsgi_build.kept_wheel(wheel, "3.12") == ""
    assert mod_wsgi_build.kept_wheel(wheel.with_name("other.whl"), "3.11") == ""
    with wheel.open("ab") as file:
        file.write(b"changed")
    assert mod_wsgi_build.kept_wheel(wheel, "3.11") == ""


def test_a_source_on_the_host_is_verified_and_used(build, tmp_path):
    source = tmp_path / "mod_wsgi-6.1.1.tar.gz"
    source.write_bytes(b"source")
    tools = Tools([(0, ""), (0, ""), (0, "")])

    build(tools, source=str(source), sha256=hashlib.sha256(b"source").hexdigest())

    assert tools.requirement.startswith(f"mod_wsgi @ file://{source} --hash=sha256:")


def test_a_source_of_another_content_is_refused_before_anything_runs(build, tmp_path):
    source = tmp_path / "mod_wsgi-6.1.1.tar.gz"
    source.write_bytes(b"another")
    tools = Tools([])

    with pytest.raises(BuildError, match=f"Checksum mismatch.*expected {EXPECTED}, got "):
        build(tools, source=str(source))

    assert tools.calls == []


def test_a_download_of_another_content_is_told_with_both_checksums(build, tmp_path):
    with pytest.raises(BuildError, match=f"host web1: expected {EXPECTED}, got {GOT}") as raised:
        build(Tools([(0, ""), (0, ""), (1, MISMATCH)]))

    assert "THESE PACKAGES DO NOT MATCH" in raised.value.log
    assert not (tmp_path / "out").exists()


def test_the_compilers_error_is_in_the_sentence(build):
    log = "gcc -c wsgi.c\n  wsgi.c:3:1: error: unknown type name 'PyFrameObject'\nnote: this is from a subprocess\n"
    with pytest.raises(BuildError, match=r"not built for Python 3\.11 on host web1.*error: unknown type name"):
        build(Tools([(0, ""), (0, ""), (1, log)]))


def test_what_the_linker_lacks_is_in_the_sentence(build):
    log = "error: subprocess-exited-with-error\n/usr/bin/ld: cannot find -lpython3.13\ncollect2: error: ld returned 1\n"
    with pytest.raises(BuildError, match=r"could not be built: /usr/bin/ld: cannot find -lpython3\.13"):
        build(Tools([(0, ""), (0, ""), (1, log)]))


def test_companions_are_compiled_as_httpds_own_and_linked_in(build, tmp_path):
    tools = Tools([(0, ""), (0, ""), (0, "")])
    build(tools)
    assert len(tools.compilations) == len(COMPANIONS)
    for index, ((compiler, *options), name) in enumerate(zip(tools.compilations, COMPANIONS, strict=True)):
        assert compiler == "gcc"
        assert options[:6] == [
            "-DCFLAGS",
            "-Ione folder",
            "-DEXTRA_CPPFLAGS",
            "-Ione folder",
            "-DEXTRA_INCLUDES",
            "-Ione folder",
        ]
        companion = str(tmp_path / "build" / f"mod_{name}.o")
        assert options[6:] == ["-fPIC", "-c", f"/var/cache/modwsgi/key/mod_{name}.c", "-o", companion]
        assert tools.calls[-1][1]["LDFLAGS"].split()[index] == companion


def test_what_the_compiler_says_of_a_companion_is_in_the_sentence(build):
    tools = Tools([], compiled=(1, "mod_reload_drain.c:3:1: fatal error: unixd.h: No such file\n"))
    with pytest.raises(
        BuildError, match=r"host web1, since its companion mod_reload_drain\.c .*error: unixd\.h"
    ) as raised:
        build(tools)
    assert "unixd.h" in raised.value.log


def test_httpd_without_its_builders_tool_is_told(build):
    with pytest.raises(BuildError, match=r"was not compiled: /no/apxs: error: No such file or directory"):
        build(mod_wsgi_build._run, extra_environment={"APXS": "/no/apxs"})


@pytest.mark.parametrize(
    ("symbols", "lacking"),
    [
        (f"my_{COMPLETE}", "reload_drain_module"),
        ("reload_drain_module", "wsgi_buffering_module"),
        ("reload_drain_module\0wsgi_buffering_module", "wsgi_admission_module"),
    ],
)
def test_a_wheel_without_a_companion_is_refused(build, tmp_path, symbols, lacking):
    with pytest.raises(BuildError, match=f"lacks {lacking}"):
        build(Tools([(0, ""), (0, ""), (0, "")], symbol=symbols))
    assert not (tmp_path / "out").exists()


def test_the_library_of_a_python_that_was_moved_comes_first(build, tmp_path):
    tools = Tools([(0, ""), (0, ""), (0, "")])
    library = "/opt/my pythons/lib/libpython3.11.so.1.0"
    build(tools, library=library, extra_environment={"LDFLAGS": "-Wl,-z,now"})
    objects = " ".join(f"{tmp_path}/build/mod_{name}.o" for name in COMPANIONS)
    flags = f"{objects} -L'/opt/my pythons/lib' -Wl,--strip-debug -Wl,-z,now"
    assert {environment["LDFLAGS"] for _, environment in tools.calls} == {flags}


def test_the_distributions_library_is_found_by_the_linker(build, monkeypatch):
    monkeypatch.delenv("LDFLAGS", raising=False)
    tools = Tools([(0, ""), (0, ""), (0, "")])
    build(tools)
    assert not any("-L" in environment["LDFLAGS"] for _, environment in tools.calls)


def test_an_index_that_does_not_answer_is_told(build):
    log = "WARNING: Retrying\nERROR: No matching distribution found for setuptools==75.3.4\n"
    with pytest.raises(BuildError, match="from the package index: ERROR: No matching distribution"):
        build(Tools([(0, ""), (1, log)]))


def test_a_module_for_another_python_is_refused(build, tmp_path):
    with pytest.raises(BuildError, match=r"linked with libpython 3\.12, not one linked with 3\.11"):
        build(Tools([(0, ""), (0, ""), (0, "")], linked="3.12"))

    assert not (tmp_path / "out").exists()


def test_a_source_of_another_version_is_refused(build):
    with pytest.raises(BuildError, match=r"yielded mod_wsgi-6\.1\.1-.*mod_wsgi_version is 5\.0\.2"):
        build(Tools([(0, ""), (0, ""), (0, "")]), version="5.0.2")


def test_the_callers_environment_does_not_reach_the_build(monkeypatch):
    monkeypatch.setenv("PYTHONPATH", "/somewhere")
    monkeypatch.setenv("VIRTUAL_ENV", "/elsewhere")
    monkeypatch.setenv("PIP_INDEX_URL", "https://index.example/simple")

    environment = mod_wsgi_build.build_environment({"https_proxy": "http://proxy.example:3128"})

    assert "PYTHONPATH" not in environment
    assert "VIRTUAL_ENV" not in environment
    assert environment["PIP_INDEX_URL"] == "https://index.example/simple"  # the host's own configuration holds
    assert environment["https_proxy"] == "http://proxy.example:3128"


def test_a_wheel_does_not_depend_on_the_time_and_the_folder_of_its_build():
    environment = mod_wsgi_build.build_environment({})
    assert environment["SOURCE_DATE_EPOCH"] == "315619200"
    assert "-Wl,--strip-debug" in environment["LDFLAGS"].split()


def test_the_user_has_debugging_information_and_times_on_demand():
    environment = mod_wsgi_build.build_environment({"CFLAGS": "-O1 -g", "SOURCE_DATE_EPOCH": "1000000000"})
    assert (environment["CFLAGS"], environment["SOURCE_DATE_EPOCH"]) == ("-O1 -g", "1000000000")
    assert "--strip-debug" not in environment["LDFLAGS"]


def test_tools_really_run(tmp_path):
    code, log = mod_wsgi_build._run([sys.executable, "-c", "print('built')"], {}, tmp_path)
    assert (code, log) == (0, "built\n")
