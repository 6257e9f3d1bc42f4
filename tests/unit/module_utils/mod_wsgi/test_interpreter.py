# SPDX-License-Identifier: Apache-2.0
"""Finding and judging the interpreter on the host, with scripts that answer as interpreters."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import pytest
from ansible_collections.modwsgi.deploy.plugins.module_utils.distributions import DISTRIBUTIONS
from ansible_collections.modwsgi.deploy.plugins.module_utils.mod_wsgi import interpreter as interpreters
from ansible_collections.modwsgi.deploy.plugins.module_utils.mod_wsgi.interpreter import InterpreterError

DEBIAN_12 = DISTRIBUTIONS["debian12"]


@pytest.fixture
def prefix(tmp_path):
    """A Python 3.12 of the user's, with a shared library and headers, in a folder that all may enter."""
    # pytest's own folders are closed to others.
    for folder in [tmp_path, *tmp_path.parents]:
        if folder == tmp_path or folder.name.startswith(("pytest-", "popen-")):
            folder.chmod(0o755)
    for name in ("bin/python3.12", "lib/libpython3.12.so.1.0", "lib/python3.12/os.py", "include/Python.h"):
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()
    return tmp_path


@pytest.fixture
def answer(prefix):
    return {
        "implementation": "cpython",
        "version": [3, 12, 1],
        "executable": str(prefix / "bin/python3.12"),
        "prefix": str(prefix),
        "shared": True,
        "free_threaded": False,
        "library_directory": str(prefix / "lib"),
        "library": "libpython3.12.so.1.0",
        "extension_suffix": ".cpython-312-x86_64-linux-gnu.so",
        "include": str(prefix / "include"),
        "standard_library": str(prefix / "lib/python3.12"),
        "environments": True,
    }


def script(path, text):
    path.write_text(f"#!/bin/sh\n{text}\n", encoding="utf-8")
    path.chmod(0o755)
    return str(path)


def refusal(answer, python="/opt/python"):
    with pytest.raises(InterpreterError) as raised:
        interpreters.check(answer, python, from_distribution=False, host="web1")
    sentence = str(raised.value)
    assert "web1" in sentence
    assert sentence.endswith(".")
    return sentence


class TestAsk:
    def test_this_interpreter_answers_for_itself(self):
        answer = interpreters.ask(sys.executable, "web1")
        assert answer["version"] == list(sys.version_info[:3])
        assert answer["prefix"] == sys.base_prefix
        assert answer["implementation"] == sys.implementation.name

    def test_the_environment_does_not_change_the_answer(self, monkeypatch, tmp_path):
        (tmp_path / "json.py").write_text("raise SystemExit('taken over')", encoding="utf-8")
        monkeypatch.setenv("PYTHONPATH", str(tmp_path))
        assert interpreters.ask(sys.executable, "web1")["version"] == list(sys.version_info[:3])

    def test_a_wrapper_may_print_before(self, tmp_path):
        wrapper = script(tmp_path / "python3", f'echo "welcome"\nexec {sys.executable} "$@"')
        assert interpreters.ask(wrapper, "web1")["version"] == list(sys.version_info[:3])

    def test_a_path_that_is_not_there(self, tmp_path):
        with pytest.raises(
            InterpreterError, match=r"on host web1, which does not exist; install that Python \(docs/pythons\.md\)"
        ):
            interpreters.ask(str(tmp_path / "python3"), "web1")

    def test_a_folder(self, tmp_path):
        with pytest.raises(InterpreterError, match="not an executable file"):
            interpreters.ask(str(tmp_path), "web1")

    def test_something_else(self, tmp_path):
        with pytest.raises(InterpreterError, match=r"does not answer as a Python 3 \(hello\)"):
            interpreters.ask(script(tmp_path / "python3", "echo hello"), "web1")

    def test_something_that_fails_without_a_word(self, tmp_path):
        with pytest.raises(InterpreterError, match=r"does not answer as a Python 3 \(exit status 3\)"):
            interpreters.ask(script(tmp_path / "python3", "exit 3"), "web1")

    def test_a_file_that_cannot_run(self, tmp_path):
        path = tmp_path / "python3"
        path.write_bytes(b"\x7fELF")
        path.chmod(0o755)
        with pytest.raises(InterpreterError, match="does not run"):
            interpreters.ask(str(path), "web1")


class TestLocate:
    def test_a_path_is_taken_as_it_is(self):
        assert interpreters.locate("/opt/python/bin/python3", DEBIAN_12, "web1") == "/opt/python/bin/python3"

    def test_the_distributions_own_may_be_missing(self, monkeypatch):
        monkeypatch.setattr(Path, "exists", lambda _: False)
        assert interpreters.locate("3.11", DEBIAN_12, "web1") == ""

    def test_another_may_not(self, monkeypatch):
        monkeypatch.setattr(Path, "exists", lambda _: False)
        with pytest.raises(
            InterpreterError,
            match=r"Python 3\.13 is not on host web1: Debian 12 offers 3\.11.* \(docs/pythons\.md\) and give",
        ):
            interpreters.locate("3.13", DEBIAN_12, "web1")

    def test_the_distributions_folder_comes_first(self, monkeypatch):
        monkeypatch.setattr(Path, "exists", lambda _: True)
        assert interpreters.locate("3.11", DEBIAN_12, "web1") == "/usr/bin/python3.11"


class TestCheck:
    def test_a_fit_interpreter_passes(self, answer):
        interpreters.check(answer, "/opt/python", from_distribution=False, host="web1")

    def test_no_shared_library(self, answer):
        assert "has no shared libpython" in refusal({**answer, "shared": False})

    def test_a_shared_library_that_is_not_there(self, answer, prefix):
        (prefix / "lib/libpython3.12.so.1.0").unlink()
        assert "rebuild it with --enable-shared" in refusal(answer)

    def test_the_distributions_library_may_come_later(self, answer, prefix):
        (prefix / "lib/libpython3.12.so.1.0").unlink()
        interpreters.check(answer, "3.12", from_distribution=True, host="web1")

    def test_another_implementation(self, answer):
        assert "is pypy, which mod_wsgi cannot embed" in refusal({**answer, "implementation": "pypy"})

    def test_a_free_threaded_build(self, answer):
        assert "free-threaded build" in refusal({**answer, "free_threaded": True})

    def test_no_virtual_environments(self, answer):
        assert "lacks its modules venv and ensurepip" in refusal({**answer, "environments": False})

    def test_an_interpreter_under_another_ones_name(self, answer):
        assert "is Python 3.12.1, not 3.13" in refusal(answer, python="3.13")

    def test_a_folder_that_is_closed_to_others(self, answer, prefix):
        prefix.chmod(0o700)
        assert f"since {prefix} has mode 0700" in refusal(answer)

    def test_a_library_that_is_closed_to_others(self, answer, prefix):
        library = prefix / "lib/libpython3.12.so.1.0"
        library.chmod(0o640)
        assert f"since {library} has mode 0640" in refusal(answer)

    def test_a_link_is_followed_to_where_it_leads(self, answer, prefix, tmp_path_factory):
        closed = tmp_path_factory.mktemp("closed")
        closed.chmod(0o700)
        (closed / "python3.12").touch(mode=0o755)
        (prefix / "bin/python3.12").unlink()
        (prefix / "bin/python3.12").symlink_to(closed / "python3.12")
        assert "mode 0700" in refusal(answer)


class TestDescribe:
    def test_all_that_is_published(self, answer, prefix):
        assert interpreters.describe(answer, from_distribution=False) == {
            "executable": str(prefix / "bin/python3.12"),
            "version": "3.12",
            "full_version": "3.12.1",
            "prefix": str(prefix),
            "abi": "cp312",
            "libpython": str(prefix / "lib/libpython3.12.so.1.0"),
            "extension_suffix": ".cpython-312-x86_64-linux-gnu.so",
            "headers": True,
            "installed": True,
            "from_distribution": False,
        }

    def test_a_virtual_environment_stands_for_its_base(self, answer, prefix, tmp_path):
        answer["executable"] = str(tmp_path / "environment/bin/python")
        assert interpreters.describe(answer, from_distribution=False)["executable"] == str(prefix / "bin/python3.12")

    def test_a_relocated_build_finds_its_library(self, answer, prefix):
        answer["library_directory"] = "/install/lib"
        library = interpreters.describe(answer, from_distribution=False)["libpython"]
        assert library == str(prefix / "lib/libpython3.12.so.1.0")

    @pytest.mark.parametrize("directory", ["/usr/lib", "/usr/lib/x86_64-linux-gnu"])
    def test_the_distributions_library_is_where_debian_has_it(self, monkeypatch, answer, directory):
        """Debian 11's Python names /usr/lib, where its library is not."""
        monkeypatch.setattr(interpreters.sysconfig, "get_config_var", {"MULTIARCH": "x86_64-linux-gnu"}.get)
        answer.update(version=[3, 11, 2], prefix="/usr", library_directory=directory, library="libpython3.11.so.1.0")
        described = interpreters.describe(answer, from_distribution=True)
        assert described["libpython"] == "/usr/lib/x86_64-linux-gnu/libpython3.11.so.1.0"
        assert described["libpython"] == interpreters.predict(DEBIAN_12)["libpython"]

    def test_a_prediction_has_the_same_keys(self, answer):
        predicted = interpreters.predict(DEBIAN_12)
        assert predicted.keys() == interpreters.describe(answer, from_distribution=False).keys()
        assert (predicted["executable"], predicted["abi"], predicted["installed"]) == (
            "/usr/bin/python3.11",
            "cp311",
            False,
        )


def test_a_distributions_python_is_told_from_one_of_the_users(monkeypatch, answer):
    monkeypatch.setattr(interpreters, "locate", lambda *_: "/usr/bin/python3.12")
    monkeypatch.setattr(interpreters, "ask", lambda *_: json.loads(json.dumps(answer)))
    assert interpreters.examine("3.12", DEBIAN_12, "web1")["from_distribution"] is False
