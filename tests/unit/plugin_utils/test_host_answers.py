# SPDX-License-Identifier: Apache-2.0
"""What a managed host answers reaches no path, file, size or command of the control node unchecked."""

from __future__ import annotations

import contextlib
import copy
import json
import os
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from unittest.mock import MagicMock
from zipfile import ZipFile

import pytest
from ansible.errors import AnsibleActionFail, AnsibleError
from ansible_collections.modwsgi.deploy.plugins.action import mod_wsgi_interpreter, mod_wsgi_wheel, wsgi_release
from ansible_collections.modwsgi.deploy.plugins.module_utils.httpd.preflight import distribution
from ansible_collections.modwsgi.deploy.plugins.plugin_utils import host_answers
from ansible_collections.modwsgi.deploy.plugins.plugin_utils.host_answers import AnswerError
from ansible_collections.modwsgi.deploy.plugins.plugin_utils.httpd.sizing import sizes
from ansible_collections.modwsgi.deploy.plugins.plugin_utils.mod_wsgi import plan as mod_wsgi_plan
from ansible_collections.modwsgi.deploy.plugins.plugin_utils.mod_wsgi import wheel_cache
from hypothesis import HealthCheck, example, given
from hypothesis import settings as property_settings
from hypothesis import strategies as st
from support import actions, preflight
from support.preflight import INSPECTION, INTERPRETER, MODULE_SETTINGS

NAME = "mod_wsgi-6.1.1-cp311-cp311-linux_x86_64.whl"
MODULE = "mod_wsgi-py311.cpython-311-x86_64-linux-gnu.so"
ABOVE = "x/../../../../victim"
"""The attack that was proven, as an architecture."""

ANSWER: dict[str, Any] = {
    **INSPECTION,
    "missing_packages": ["python3.11-venv"],
    "installation": {
        "version": "6.1.1",
        "install_method": "source",
        "interpreter": {key: value for key, value in INTERPRETER.items() if key not in ("headers", "installed")},
        "module": f"/opt/mod_wsgi/6.1.1-cp311/lib/python3.11/site-packages/mod_wsgi/server/{MODULE}",
        "express": "/opt/mod_wsgi/6.1.1-cp311/bin/mod_wsgi-express",
        "httpd_api": 20120211,
        "key": "debian12-x86_64-mmn20120211-cp311-with_0123456789ab",
        "reload_drain": True,
        "wsgi_buffering": True,
        "wsgi_admission": True,
        "wheel_sha256": "a" * 64,
    },
    "build_tools_recorded": False,
}
DESCRIPTION: dict[str, Any] = {
    **preflight.DESCRIPTION,
    **distribution("ID=debian\nVERSION_CODENAME=bookworm\n", "web1"),
    "blue_green": ["shop"],
}
FOREIGN: dict[str, Any] = {
    "sites": [{"file": "/etc/apache2/sites-enabled/tool.conf", "line": 1, "name": "virtualhost"}],
    "vhosts": [{"name": "tool.example", "port": 80, "tls": False, "paths": ["/", "/wiki/{page}"]}],
    "files": ["/etc/apache2/sites-enabled/tool.conf"],
    "listen": [],
    "listen_with_ssl": [],
    "wsgi": {},
    "python": {},
    "acme": {},
    "mpm": "mpm_event",
    "served_by_main": [],
}


def paths_of(value: Any, path: tuple[str, ...] = ()) -> list[tuple[str, ...]]:
    """The places of all values in nested mappings."""
    if not isinstance(value, dict):
        return [path]
    return (
        [path, *(place for key in value for place in paths_of(value[key], (*path, key)))]
        if path
        else [place for key in value for place in paths_of(value[key], (key,))]
    )


def spoiled(answer: dict[str, Any], path: tuple[str, ...], value: Any) -> dict[str, Any]:
    """A copy with one value replaced."""
    result: dict[str, Any] = copy.deepcopy(answer)
    inner = result
    for key in path[:-1]:
        inner = inner[key]
    inner[path[-1]] = value
    return result


HOSTILE_TEXTS = [
    "", ".", "..", ABOVE, "/etc/passwd", "../../etc/cron.d/x", "x86_64\n", "x86_64\0", "/usr/../../tmp", "/usr/",
    "//usr", "-rf", "~root", "{{ lookup('pipe', 'id') }}", "/opt/{{ 7 * 7 }}", "{% raw %}", "/opt/$(id)", "/opt/`id`",
    "cp311/../..", "\u0663.\u0661\u0661", "3.\u0967\u0967", "a" * 100_000, "/" + "a/" * 1000 + "b", "\ud800",
]  # fmt: skip
hostile = st.one_of(
    st.sampled_from(HOSTILE_TEXTS),
    st.text(max_size=40),
    st.text("/.{}%-_ ~$\n\0ab3", max_size=30),
    st.none(),
    st.booleans(),
    st.integers(),
    st.floats(),
    st.lists(st.text(max_size=5), max_size=3),
    st.dictionaries(st.text(max_size=5), st.text(max_size=5), max_size=3),
)


@contextlib.contextmanager
def guarded() -> Iterator[tuple[Path, Path]]:
    """A folder whose files have to be the same afterwards, and a cache in it that may change."""
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder)
        cache = root / "a" / "b" / "cache"
        cache.mkdir(parents=True)
        for victim in (root / "victim", root / "a" / "victim", root / "a" / "b" / "victim", root / "a" / NAME):
            victim.write_text("precious", encoding="utf-8")

        def outside() -> dict[str, str]:
            files = [path for path in root.rglob("*") if path.is_file() and cache not in path.parents]
            return {str(path): path.read_text(encoding="utf-8") for path in files}

        before = outside()
        yield root, cache
        assert outside() == before


def all_texts(value: Any) -> list[str]:
    """All texts in a nested value, keys too."""
    if isinstance(value, dict):
        return [text for pair in value.items() for item in pair for text in all_texts(item)]
    if isinstance(value, list):
        return [text for item in value for text in all_texts(item)]
    return [value] if isinstance(value, str) else []


def is_a_sentence(text: str) -> bool:
    """Whether a refusal is one printable sentence of bounded length that names the host and says what to do."""
    return "ost web1 answers" in text and text.endswith(".") and len(text) < 1000 and text.isprintable()


def refusal_of(call: Callable[[], object]) -> str:
    """Why something is refused, "" when it is not; whatever else goes wrong is an error of the test."""
    try:
        call()
    except AnswerError as error:
        return str(error)
    return ""


class TestInterpreter:
    def test_an_honest_answer_is_used_as_it_is(self) -> None:
        assert host_answers.interpreter_answer(ANSWER, "web1") == ANSWER

    def test_what_is_not_known_is_left_out(self) -> None:
        answer = {**ANSWER, "delegate_to": "localhost", "interpreter": {**INTERPRETER, "further": 1}}
        assert host_answers.interpreter_answer(answer, "web1") == ANSWER

    @pytest.mark.parametrize("path", paths_of(ANSWER), ids=".".join)
    @pytest.mark.parametrize("value", [ABOVE, "{{ 1 }}", None, [], {"a": {}}, -1, 1 << 80, "x" * 5000])
    def test_each_value_is_looked_at(self, path: tuple[str, ...], value: Any) -> None:
        answer = spoiled(ANSWER, path, value)
        if path == ("missing_packages",) and value == []:
            assert host_answers.interpreter_answer(answer, "web1")["missing_packages"] == []
            return
        with pytest.raises(AnswerError) as raised:
            host_answers.interpreter_answer(answer, "web1")
        assert is_a_sentence(str(raised.value))
        assert path[-1] in str(raised.value)

    @pytest.mark.parametrize("path", ["/opt/my python/bin/python3", "/opt/püthon/3.11", "/home/.pyenv/versions/3.11.2"])
    def test_paths_of_the_users(self, path: str) -> None:
        interpreter = {**INTERPRETER, "executable": path, "prefix": path, "from_distribution": False}
        found = host_answers.interpreter_answer({**ANSWER, "interpreter": interpreter}, "web1")
        assert found["interpreter"]["executable"] == path

    @pytest.mark.parametrize(
        "changes",
        [
            {"abi": "cp312"},
            {"version": "3.12", "abi": "cp312"},
            {"full_version": "3.110.1"},
            {"prefix": "/opt"},
            {"executable": "/tmp/python3.11"},
        ],
    )
    def test_an_answer_that_contradicts_itself(self, changes: dict[str, Any]) -> None:
        with pytest.raises(AnswerError):
            host_answers.interpreter_answer({**ANSWER, "interpreter": {**INTERPRETER, **changes}}, "web1")

    def test_a_record_that_is_none_tells_what_to_remove(self) -> None:
        with pytest.raises(AnswerError, match="remove the folder of that installation"):
            host_answers.interpreter_answer({**ANSWER, "installation": {"key": "k"}}, "web1")


@pytest.mark.parametrize("architecture", [ABOVE, f"/{ABOVE}", "x86_64/../.."])
def test_the_attack_that_was_proven_is_refused_by_the_plan(tmp_path: Path, architecture: str) -> None:
    with pytest.raises(AnswerError, match=r"Host web1 answers .* as architecture, which is not one of x86_64"):
        mod_wsgi_plan.plan({**MODULE_SETTINGS, "wheel_cache": str(tmp_path)}, {**ANSWER, "architecture": architecture})


@pytest.mark.slow
@example(changes=[(("architecture",), ABOVE)])
@example(changes=[(("interpreter", "prefix"), "/" + "a" * 900), (("interpreter", "from_distribution"), False)])
@given(changes=st.lists(st.tuples(st.sampled_from(paths_of(ANSWER)), hostile), min_size=1, max_size=3))
@property_settings(deadline=None, max_examples=300)
def test_whatever_a_host_answers_the_plan_stays_in_the_cache(changes: list[tuple[tuple[str, ...], Any]]) -> None:
    answer = ANSWER
    for path, value in sorted(changes, key=lambda change: -len(change[0])):
        answer = spoiled(answer, path, value)
    with guarded() as (_, cache):
        settings = {**MODULE_SETTINGS, "wheel_cache": str(cache)}
        refusal = refusal_of(lambda: mod_wsgi_plan.plan(settings, answer))
        if refusal:
            assert is_a_sentence(refusal)
            return
        plan = mod_wsgi_plan.plan(settings, answer)
        record = mod_wsgi_plan.record(settings, answer, plan)
        relative = Path(plan["wheel"]).relative_to(cache)
        assert os.path.normpath(plan["wheel"]) == plan["wheel"]
        assert relative.parts == ("host-build1", plan["key"], plan["wheel_name"])
        assert all(len(part.encode()) <= 255 for part in relative.parts)
        assert not [text for text in all_texts([plan, record]) if "{" in text or "\n" in text]


class TestDescription:
    def test_an_honest_host(self) -> None:
        assert host_answers.host_description({**DESCRIPTION, "further": 1}, "web1") == DESCRIPTION

    @pytest.mark.parametrize("key", DESCRIPTION)
    @pytest.mark.parametrize("value", [ABOVE, "{{ 1 }}", None, [[]], True, -1, 0, 1 << 80, "2", 2.5])
    def test_each_value_is_looked_at(self, key: str, value: Any) -> None:
        if isinstance(DESCRIPTION[key], bool) and value is True:
            value = "yes"
        with pytest.raises(AnswerError) as raised:
            host_answers.host_description({**DESCRIPTION, key: value}, "web1")
        assert is_a_sentence(str(raised.value))
        assert key in str(raised.value)

    @given(st.dictionaries(st.sampled_from(list(DESCRIPTION)), hostile))
    @property_settings(deadline=None)
    def test_sizes_are_bounded_whatever_a_host_answers(self, changes: dict[str, Any]) -> None:
        refusal = refusal_of(lambda: host_answers.host_description({**DESCRIPTION, **changes}, "web1"))
        if refusal:
            assert is_a_sentence(refusal)
            return
        host = host_answers.host_description({**DESCRIPTION, **changes}, "web1")
        found = sizes(host["cores"], host["memory_mebibytes"], [{"name": "shop"}])
        assert found["applications"]["shop"]["processes"] <= 8
        assert found["server_limit"] <= 16

    def test_sites_of_others_are_told_as_they_are(self) -> None:
        found = host_answers.host_description({**DESCRIPTION, "foreign": FOREIGN}, "web1")
        assert found["foreign"] == FOREIGN

    @pytest.mark.parametrize(
        "change",
        [
            {"mpm": "{{ lookup('pipe', 'id') }}"},
            {"mpm": "{% raw %}"},
            {"mpm": "a\x1b[2J"},
            {"mpm": "x" * 10_000},
            {"mpm": None},
            {"listen": [1.5]},
            {"files": ["x"] * 30_000},
            {"sites": [[[[[["deep"]]]]]]},
            {"python": {"NAME": "x"}},
            {"more": []},
        ],
    )
    def test_sites_of_others_hold_no_template_and_have_bounds(self, change: dict[str, Any]) -> None:
        with pytest.raises(AnswerError, match="foreign"):
            host_answers.host_description({**DESCRIPTION, "foreign": {**FOREIGN, **change}}, "web1")

    def test_packages_that_nobody_asked_for(self) -> None:
        answer = {"host": DESCRIPTION, "missing_packages": ["apache2", "-oDPkg::Pre-Invoke=id"]}
        with pytest.raises(AnswerError, match="missing_packages"):
            host_answers.preflight_answer(answer, ["apache2"], "web1")


def action(
    plugin: Any, arguments: dict[str, Any], answer: Any, fetched: Any = None
) -> tuple[Any, list[tuple[str, str]]]:
    """An action whose module answers ``answer``; and what it fetches, with the content that it gets."""
    made = actions.made(plugin, arguments, lambda *_: copy.deepcopy(answer))
    asked: list[tuple[str, str]] = []

    def fetch(remote: str, local: str) -> None:
        asked.append((remote, local))
        if isinstance(fetched, Exception):
            raise fetched
        Path(local).write_bytes(fetched)

    made._connection.fetch_file = fetch
    return made, asked


def wheel(tmp_path: Path, members: dict[str, bytes] | None = None, name: str = "wheel.zip") -> bytes:
    """A wheel as a build makes it, with other members where they are given."""
    content = b"\x7fELFlibpython3.11.so.1.0\0reload_drain_module\0wsgi_buffering_module\0wsgi_admission_module\0"
    path = tmp_path / name
    with ZipFile(path, "w") as archive:
        for member, data in (members or {f"mod_wsgi/server/{MODULE}": content, "mod_wsgi/__init__.py": b""}).items():
            archive.writestr(member, data)
    return path.read_bytes()


def arguments(keep: Path, **changes: Any) -> dict[str, Any]:
    """The arguments of mod_wsgi_wheel."""
    return {
        "host": "web1",
        "name": NAME,
        "destination": "/var/cache/modwsgi/key",
        "version": "6.1.1",
        "python": "3.11",
        "module": MODULE,
        "keep": str(keep),
        **changes,
    }


BUILT = {"changed": True, "wheel": f"/var/cache/modwsgi/key/{NAME}", "wheel_sha256": "b" * 64}


class TestActions:
    def test_an_answer_is_checked_before_it_is_registered(self) -> None:
        made, _ = action(
            mod_wsgi_interpreter, {"host": "web1"}, {**ANSWER, "changed": False, "ansible_facts": {"a": 1}}
        )
        result = made.run(None, {})
        assert {name: result[name] for name in ANSWER} == ANSWER
        assert "ansible_facts" not in result
        made, _ = action(mod_wsgi_interpreter, {"host": "web1"}, {**ANSWER, "architecture": ABOVE})
        with pytest.raises(AnsibleActionFail, match=r"Host web1 answers .* as architecture"):
            made.run(None, {})

    @pytest.mark.parametrize("missing", [["shop", ABOVE], ABOVE, "shopping", {"shop": 1}, [["shop"]], 7])
    def test_only_releases_that_were_asked_for_are_sent(self, tmp_path: Path, missing: Any) -> None:
        (tmp_path / "wsgi.py").touch()
        source = {"directory": str(tmp_path), "exclude": []}
        applications = [{"name": "shop", "source": source, "static_root": ""}]
        made, _ = action(wsgi_release, {"applications": applications}, {"missing": missing, "releases": {}})
        made._transfer = MagicMock(side_effect=AssertionError("nothing is sent"))
        with pytest.raises(AnsibleActionFail, match=r"Host web1 answers .* as missing"):
            made.run(None, {"inventory_hostname": "web1"})

    def test_a_module_that_fails_says_why_itself(self) -> None:
        made, _ = action(mod_wsgi_interpreter, {"host": "web1"}, {"failed": True, "msg": "No Python."})
        assert made.run(None, {})["msg"] == "No Python."

    def test_a_wheel_is_kept_with_the_checksum_of_what_has_arrived(self, tmp_path: Path) -> None:
        content, keep = wheel(tmp_path), tmp_path / "cache" / "key" / NAME
        made, asked = action(mod_wsgi_wheel, arguments(keep), BUILT, content)
        result = made.run(None, {})
        assert [remote for remote, _ in asked] == [f"/var/cache/modwsgi/key/{NAME}"]
        assert keep.read_bytes() == content
        assert mod_wsgi_plan.cached_wheel(str(keep)) == result["wheel_sha256"] != BUILT["wheel_sha256"]
        assert sorted(path.name for path in keep.parent.iterdir()) == [NAME, f"{NAME}.sha256"]

    def test_a_host_that_builds_for_itself_sends_nothing(self, tmp_path: Path) -> None:
        made, asked = action(mod_wsgi_wheel, {**arguments(tmp_path), "keep": ""}, BUILT)
        assert made.run(None, {})["wheel_sha256"] == "b" * 64
        assert asked == []

    @pytest.mark.parametrize(
        "told",
        [
            {"wheel": f"/var/cache/modwsgi/key/../../../root/.ssh/{NAME}"},
            {"wheel": "/var/cache/modwsgi/key/authorized_keys"},
            {"wheel": f"../{NAME}"},
            {"wheel": None},
            {"wheel_sha256": "b" * 63},
            {"wheel_sha256": "{{ 1 }}"},
        ],
    )
    def test_a_name_or_checksum_that_was_not_planned(self, tmp_path: Path, told: dict[str, Any]) -> None:
        made, asked = action(mod_wsgi_wheel, arguments(tmp_path / "cache" / NAME), {**BUILT, **told})
        with pytest.raises(AnsibleActionFail) as raised:
            made.run(None, {})
        assert is_a_sentence(str(raised.value))
        assert asked == []
        assert not (tmp_path / "cache").exists()

    @pytest.mark.parametrize(
        ("fetched", "words"),
        [
            (b"", "is no wheel"),
            (b"PK\x03\x04garbage", "is no wheel"),
            (AnsibleError("gone"), "was not fetched from host web1"),
            ({"mod_wsgi/__init__.py": b""}, f"does not hold mod_wsgi/server/{MODULE} as its only compiled module"),
            (
                {f"mod_wsgi/server/{MODULE}": b"libpython3.12.so.1.0\0reload_drain_module\0"},
                "linked with libpython 3.12",
            ),
            ({f"mod_wsgi/server/{MODULE}": b"libpython3.11.so.1.0"}, "lacks reload_drain_module"),
            (
                {f"mod_wsgi/server/{MODULE}": b"libpython3.11.so.1.0\0reload_drain_module\0"},
                "lacks wsgi_buffering_module",
            ),
            ({f"mod_wsgi/server/{MODULE}": b"x", "mod_wsgi/evil.so": b"x"}, "as its only compiled module"),
            ({"../../etc/cron.d/x": b"x"}, "holds '../../etc/cron.d/x'"),
            ({"mod_wsgi/../../x": b"x"}, "holds 'mod_wsgi/../../x'"),
            ({"/etc/x": b"x"}, "holds '/etc/x'"),
            ({"sitecustomize.py": b"x"}, "holds 'sitecustomize.py'"),
            ({"mod_wsgi-6.1.1.data/scripts/ls": b"x"}, "holds 'mod_wsgi-6.1.1.data/scripts/ls'"),
        ],
    )
    def test_a_file_that_is_not_the_planned_wheel(self, tmp_path: Path, fetched: Any, words: str) -> None:
        content = wheel(tmp_path, fetched) if isinstance(fetched, dict) else fetched
        keep = tmp_path / "cache" / NAME
        made, _ = action(mod_wsgi_wheel, arguments(keep), BUILT, content)
        with pytest.raises(AnsibleActionFail) as raised:
            made.run(None, {})
        assert words in str(raised.value)
        assert str(raised.value).endswith(".")
        assert list(keep.parent.iterdir()) == []

    def test_a_host_that_sends_without_an_end(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        limited = wheel_cache.limited_files
        monkeypatch.setattr(mod_wsgi_wheel, "limited_files", lambda: limited(1 << 16))
        keep = tmp_path / "cache" / NAME
        made, _ = action(mod_wsgi_wheel, arguments(keep), BUILT, bytes(1 << 20))
        with pytest.raises(AnsibleActionFail, match="was not fetched from host web1"):
            made.run(None, {})
        assert list(keep.parent.iterdir()) == []
        (tmp_path / "later").write_bytes(bytes(1 << 20))

    def test_a_wheel_that_unpacks_without_an_end(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(wheel_cache, "LARGEST_CONTENT", 10)
        made, _ = action(mod_wsgi_wheel, arguments(tmp_path / "cache" / NAME), BUILT, wheel(tmp_path))
        with pytest.raises(AnsibleActionFail, match="holds more than"):
            made.run(None, {})

    @pytest.mark.parametrize("suffix", ["", ".sha256"])
    @pytest.mark.parametrize("link", [False, True])
    def test_nothing_that_is_there_is_overwritten(self, tmp_path: Path, suffix: str, link: bool) -> None:
        keep = tmp_path / "cache" / NAME
        place, target = Path(f"{keep}{suffix}"), tmp_path / "precious"
        keep.parent.mkdir()
        target.write_text("precious", encoding="utf-8")
        place.symlink_to(target) if link else place.write_text("precious", encoding="utf-8")
        made, _ = action(mod_wsgi_wheel, arguments(keep), BUILT, wheel(tmp_path))
        with pytest.raises(AnsibleActionFail, match="is there already, and is not what host web1 has built"):
            made.run(None, {})
        assert place.read_text(encoding="utf-8") == target.read_text(encoding="utf-8") == "precious"

    def test_the_same_wheel_once_more(self, tmp_path: Path) -> None:
        keep, content = tmp_path / "cache" / NAME, wheel(tmp_path)
        for _ in range(2):
            made, _ = action(mod_wsgi_wheel, arguments(keep), BUILT, content)
            made.run(None, {})
        assert keep.read_bytes() == content

    def test_two_builds_that_differ(self, tmp_path: Path) -> None:
        keep, content = tmp_path / "cache" / NAME, wheel(tmp_path)
        options = arguments(keep, second="d" * 64, second_host="web2")
        made, _ = action(mod_wsgi_wheel, options, BUILT, content)
        with pytest.raises(AnsibleActionFail) as raised:
            made.run(None, {})
        assert f"{NAME} as host web1 has built it is not what host web2 has built (SHA-256 " in str(raised.value)
        assert list(keep.parent.iterdir()) == []

    def test_two_builds_that_agree(self, tmp_path: Path) -> None:
        keep, content = tmp_path / "cache" / NAME, wheel(tmp_path)
        made, _ = action(mod_wsgi_wheel, arguments(keep), BUILT, content)
        checksum = made.run(None, {})["wheel_sha256"]
        keep.unlink()
        made, _ = action(mod_wsgi_wheel, arguments(keep, second=checksum, second_host="web2"), BUILT, content)
        assert made.run(None, {})["wheel_sha256"] == checksum


@pytest.mark.slow
@example(answer={"wheel": f"/{ABOVE}/{NAME}", "wheel_sha256": "a" * 64}, content=b"")
@example(answer=BUILT, content=b"PK\x05\x06" + bytes(18))
@given(
    answer=st.one_of(
        st.just(BUILT),
        st.dictionaries(st.sampled_from(["wheel", "wheel_sha256", "changed", "failed", "skipped"]), hostile),
    ),
    content=st.binary(max_size=200),
)
@property_settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])
def test_whatever_a_builder_answers_and_sends_only_the_cache_is_touched(answer: Any, content: bytes) -> None:
    with guarded() as (_, cache):
        keep = cache / "host-build1" / "key" / NAME
        made, asked = action(mod_wsgi_wheel, arguments(keep), answer, content)
        with contextlib.suppress(AnsibleActionFail):
            made.run(None, {})
        assert {remote for remote, _ in asked} <= {f"/var/cache/modwsgi/key/{NAME}"}
        assert [path for path in cache.rglob("*") if path.is_file()] == []


def test_a_value_is_shown_in_one_line_of_bounded_length() -> None:
    for value in [*HOSTILE_TEXTS, {"a": "b" * 10_000}, "\x1b[2J"]:
        assert host_answers.shown(value).isprintable()
        assert len(host_answers.shown(value)) < 100
    assert json.dumps(host_answers.shown("é"))


@pytest.mark.parametrize(
    ("codename", "release", "python"),
    [("jammy", "22.04", "3.10"), ("noble", "24.04", "3.12"), ("resolute", "26.04", "3.14")],
)
def test_the_answer_of_an_ubuntu_host_is_taken(codename: str, release: str, python: str) -> None:
    told = distribution(f"ID=ubuntu\nVERSION_ID={release}\nVERSION_CODENAME={codename}\n", "web1")
    host = host_answers.host_description({**DESCRIPTION, **told}, "web1")
    found = (host["distribution"], host["codename"], host["release"], host["python_version"])
    assert found == ("ubuntu", codename, release, python)
    key = f"ubuntu{release}"
    installation = {**ANSWER["installation"], "key": ANSWER["installation"]["key"].replace("debian12", key)}
    answer = host_answers.interpreter_answer(
        {
            **ANSWER,
            "distribution": key,
            "installation": installation,
            "interpreter": {**INTERPRETER, "from_distribution": False},
        },
        "web1",
    )
    assert answer["installation"]["key"].startswith(f"{key}-x86_64-")


SERVED = {
    "application": "shop",
    "release": "6cfd3bffaeb95594f2af",
    "source": "v1.2, commit 6cfd3bffaeb9",
    "since": "2026-11-30T11:59:11Z",
    "by": "anna@ops1",
    "health": "well",
}


@pytest.mark.parametrize("key", sorted(SERVED))
def test_a_release_that_no_honest_host_serves_is_refused(key: str) -> None:
    assert host_answers.releases_answer({"releases": [SERVED], "changed": False}, "web1") == [SERVED]
    further: list[Any] = [*([{**SERVED, key: value}] for value in ("\x1b[2J", "a" * 10_000, None)), [{}], {}, None]
    for told in further:
        with pytest.raises(AnswerError, match=r"^Host web1 answers "):
            host_answers.releases_answer({"releases": told}, "web1")
