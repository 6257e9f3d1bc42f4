# SPDX-License-Identifier: Apache-2.0
"""All of mod_wsgi can be set, what it would refuse or misread is refused before, and no value can add a directive."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any

import pytest
from ansible_collections.modwsgi.deploy.plugins.module_utils.mod_wsgi.versions import FIRST_WITH_TOGGLE
from ansible_collections.modwsgi.deploy.plugins.plugin_utils.mod_wsgi import directives
from ansible_collections.modwsgi.deploy.plugins.plugin_utils.mod_wsgi.directives import (
    DAEMON_OPTIONS,
    DIRECTIVES,
    INTERPRETER,
    LOCATION,
    SCRIPT_ALIAS_OPTIONS,
    SERVER,
    VHOST,
    Setting,
    at,
    daemon_option_words,
    daemon_options,
    directive_lines,
    problems,
    server_lines,
    server_problems,
    table,
)
from hypothesis import example, given, settings
from hypothesis import strategies as st
from support.directives import ADDITIONS, CODE, expected, sample
from support.httpd_grammar import directives as read
from support.httpd_grammar import expand, options

TEXTS = st.text(st.sampled_from("\\\"' \t\n#${}%<>;&a=/:é漢\x80") | st.characters(), max_size=40)
GROUP = directives.PATTERNS["group"][0]
TYPED = [setting for name in (DIRECTIVES, DAEMON_OPTIONS) for setting in table(name) if setting.type]
NAMES = [f"{setting.name}" for setting in TYPED]


def by_key(known: Mapping[str, Setting], **values: Any) -> list[str]:
    return [f"{key}: {text}" for key, text in problems(known, values, "x")]


# ---------------------------------------------------------------- the data


def test_nothing_of_mod_wsgi_is_missing() -> None:
    assert [len(table(name)) for name in (DIRECTIVES, DAEMON_OPTIONS, SCRIPT_ALIAS_OPTIONS)] == [54, 46, 4]


def test_each_is_typed_or_set_by_keys_that_exist() -> None:
    for setting in (*table(DIRECTIVES), *table(DAEMON_OPTIONS), *table(SCRIPT_ALIAS_OPTIONS)):
        assert bool(setting.type) != bool(setting.set_by) or setting.name in (
            "WSGIPy3kWarningFlag",
            "WSGIUserAuthoritative",
        )
        assert not (setting.type and setting.set_by), setting.name
        assert setting.description, setting.name
        assert setting.default is not None, setting.name


def test_directives_with_a_type_have_a_place() -> None:
    for setting in table(DIRECTIVES):
        assert bool(setting.type) == bool(setting.at), setting.name
        assert set(setting.at) <= {SERVER, INTERPRETER, VHOST, LOCATION}, setting.name


def test_keys_are_unique_where_they_stand() -> None:
    for place in (SERVER, INTERPRETER, VHOST, LOCATION):
        settings = [setting for setting in table(DIRECTIVES) if setting.type and place in setting.at]
        assert len(at(place)) == len(settings)
    assert len(daemon_options()) == sum(bool(setting.type) for setting in table(DAEMON_OPTIONS))


def test_the_versions_agree_with_the_table_of_versions() -> None:
    (toggle,) = [setting for setting in table(DIRECTIVES) if setting.name == "WSGIDestroyInterpreter"]
    assert toggle.since == FIRST_WITH_TOGGLE


@pytest.mark.parametrize("setting", TYPED, ids=NAMES)
def test_the_sample_of_each_is_accepted_and_comes_back(setting: Setting) -> None:
    value = sample(setting)
    assert list(directives.value_problems(setting, "x", value)) == []
    if setting.at:
        written = directives.lines(setting, value, CODE, ADDITIONS)
        assert [words for line in written for words in read(line)] == expected(setting, value)
    else:
        word = directives.option_text(setting.name, directives.text(setting, value))
        assert options(word) == {setting.name: directives.text(setting, value)}


# ---------------------------------------------------------------- the gate


@pytest.mark.parametrize(
    ("name", "version", "words"),
    [
        ("interrupt_timeout", "5.0.2", "exists since mod_wsgi 6.0.0, and 5.0.2 is to be installed; leave it out or set "
         "mod_wsgi_version to 6.0.0 or later"),
        ("response_flush_delay", "6.0.1", "exists since mod_wsgi 6.0.2, and 6.0.1 is to be installed"),
        ("newrelic_environment", "6.1.1", "was removed in mod_wsgi 6.0.0, and 6.1.1 is to be installed; leave it out "
         "or set mod_wsgi_version to one before 6.0.0"),
    ],
)  # fmt: skip
def test_what_a_version_does_not_have_is_refused(name: str, version: str, words: str) -> None:
    ((key, text),) = directives.unavailable(daemon_options(), {name: 1}, "daemon_options", version)
    assert key == f"daemon_options.{name}"
    assert words in text


@pytest.mark.parametrize(
    ("name", "version"),
    [("interrupt_timeout", "6.0.0"), ("response_flush_delay", "6.0.2"), ("newrelic_environment", "5.0.2")],
)
def test_what_a_version_has_is_accepted(name: str, version: str) -> None:
    assert list(directives.unavailable(daemon_options(), {name: 1}, "daemon_options", version)) == []


def test_what_is_not_set_is_not_missed() -> None:
    assert list(directives.unavailable(daemon_options(), {"interrupt_timeout": None}, "x", "4.9.4")) == []


# ---------------------------------------------------------------- bounds and forms


@pytest.mark.parametrize(
    ("name", "value", "words"),
    [
        ("maximum_requests", -1, "-1 is too small; the least is 0"),
        ("maximum_requests", 2**31, "2147483648 is too large; the greatest is 2147483647"),
        ("maximum_requests", "many", "'many' is not a whole number"),
        ("maximum_requests", 1.5, "1.5 is not a whole number"),
        ("maximum_requests", True, "True is not a whole number"),
        ("header_buffer_size", 8191, "8191 is too small; the least is 8192, or 0 for the default"),
        ("send_buffer_size", 511, "the least is 512"),
        ("response_buffer_size", 65535, "the least is 65536"),
        ("stack_size", 0, "0 is too small; the least is 1"),
        ("cpu_priority", 20, "the greatest is 19"),
        ("switch_interval", 0, "0.0 is too small; it must be above 0"),
        ("switch_interval", "nan", "'nan' is not a number"),
        ("umask", 22, '22 is not an octal text; write it in quotes, like "0022"'),
        ("umask", "0888", "is not an octal text"),
        ("chroot", "srv", "'srv' is not absolute; begin it with /"),
        ("python_eggs", "", "it is empty"),
        ("socket_user", "Mallory X", "is not the name of an account"),
        ("supplementary_groups", ["a,b"], "x.supplementary_groups[0]: 'a,b' is not the name of an account"),
        ("supplementary_groups", [], "the list is empty"),
        ("script_user", "www-data", "is none of root"),
        ("server_metrics", "perhaps", "is neither true nor false"),
        ("newrelic_environment", "a${b}", "'${', which httpd would replace by a variable"),
        ("newrelic_environment", "a\nb", "a newline"),
        ("newrelic_environment", 5, "5 is not a text"),
    ],
)  # fmt: skip
def test_values_that_mod_wsgi_would_refuse_or_misread(name: str, value: Any, words: str) -> None:
    (problem,) = by_key(daemon_options(), **{name: value})
    assert words in problem


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("header_buffer_size", 0),
        ("header_buffer_size", 8192),
        ("maximum_requests", "1000"),
        ("cpu_priority", -20),
        ("umask", "027"),
        ("server_metrics", "yes"),
        ("memory_limit", 2**40),
        ("chroot", None),
    ],
)
def test_values_at_the_bounds(name: str, value: Any) -> None:
    assert by_key(daemon_options(), **{name: value}) == []


@pytest.mark.parametrize(
    ("name", "value", "words"),
    [
        ("map_head_to_get", "never", "'never' is none of auto, on, off"),
        ("handler_scripts", [{"name": "x y", "script": "a.py"}], "handler_scripts[0].name: 'x y' is not usable"),
        ("import_scripts", [{"script": "../a.py"}], "leads out of the source"),
        ("import_scripts", [{}], "import_scripts[0].script: it is missing"),
    ],
)  # fmt: skip
def test_values_of_the_vhost_that_are_refused(name: str, value: Any, words: str) -> None:
    (problem,) = by_key(at(VHOST), **{name: value})
    assert words in problem


def test_a_bare_on_of_yaml_is_the_choice() -> None:
    assert directive_lines(VHOST, {"map_head_to_get": True}) == ["WSGIMapHEADToGET on"]


# ---------------------------------------------------------------- the server


def test_the_server_is_written_in_the_order_of_the_data_and_sections_come_last() -> None:
    values = {
        "switch_interval": 0.01,
        "interpreter_options": [{"process_group": "shop", "per_interpreter_gil": True, "python_path": ["/a", "/b c"]}],
        "python_warnings": ["error::BytesWarning", "ignore"],
        "accept_mutex": "flock",
        "telemetry_service": {"socket": "/run/t", "interval": 2},
        "restrict_signal": None,
    }
    assert server_lines(values) == [
        "WSGIAcceptMutex flock",
        "WSGIPythonWarnings error::BytesWarning",
        "WSGIPythonWarnings ignore",
        "WSGISwitchInterval 0.01",
        "WSGITelemetryService unix:/run/t interval=2",
        "<WSGIInterpreterOptions process-group=shop>",
        "    WSGIPerInterpreterGIL On",
        '    WSGIPythonPath "/a:/b c"',
        "</WSGIInterpreterOptions>",
    ]


def test_nothing_is_written_when_nothing_is_set() -> None:
    assert server_lines(None) == server_lines({}) == server_lines({"python_optimize": None}) == []


@pytest.mark.parametrize(
    ("values", "words"),
    [
        ({"interpreter_options": [{"restrict_stdin": True}]}, "it names neither a process_group nor"),
        ({"interpreter_options": [{"process_group": "shop"}]}, "it sets nothing"),
        ({"interpreter_options": [{"process_group": "shop", "switch_interval": -1}]}, "must be above 0"),
        ({"slow_requests": 1}, "it has no effect without telemetry_service"),
        ({"switch_interval": 0.1, "free_threading": True}, "it has no effect while free_threading is true"),
        ({"python_optimize": 3}, "the greatest is 2"),
        ({"python_hash_seed": "4294967296"}, "is neither random nor a number"),
        ({"python_path": ["/a:b"]}, "holds a colon"),
    ],
)
def test_the_server_is_checked(values: dict[str, Any], words: str) -> None:
    ((_, text),) = server_problems(values, "6.1.1")
    assert words in text


# ---------------------------------------------------------------- any text


def strings(setting: Setting) -> Iterator[tuple[Setting, tuple[str, ...]]]:
    """The strings of a setting: the way to each, and what it is."""
    if setting.fields:
        for known in setting.fields:
            for leaf, way in strings(known):
                yield leaf, (known.name, *way)
    elif setting.type in ("text", "path", "script", "account", "octal", "seed", "choice", *directives.EACH):
        yield setting, ()


STRINGS = [(setting, leaf, way) for setting in TYPED for leaf, way in strings(setting)]


@pytest.mark.slow
@settings(max_examples=300, deadline=None)
@given(text=st.one_of(TEXTS, TEXTS.map("/{}".format), st.from_regex(GROUP, fullmatch=True)))
@example(text="/a b\\")
@example(text='/"')
@example(text="/x\nWSGIRestrictEmbedded Off")
@example(text="${PATH}")
@example(text="'")
def test_any_text_is_refused_or_comes_back_unchanged(text: str) -> None:
    # Each text in all places: to find another one takes longer than to read it.
    for setting, leaf, way in STRINGS:
        value = replaced(setting, leaf, way, text)
        found = list(directives.value_problems(setting, "x", value))
        if found:
            assert all(key.startswith("x") and problem and "\n" not in problem for key, problem in found)
        elif setting.at:
            written = "\n".join(directives.lines(setting, value, CODE, ADDITIONS))
            assert read(f"Before x\n{written}\nAfter y") == [["Before", "x"], *expected(setting, value), ["After", "y"]]
        else:
            word = directives.option_text(setting.name, directives.text(setting, value))
            wanted = {setting.name: directives.text(setting, value), "threads": "1"}
            assert options(expand(f"{word} threads=1")) == wanted
            assert len(read(f"Before x\nWSGIDaemonProcess shop \\\n    {word} \\\n    threads=1\nAfter y")) == 3


def replaced(setting: Setting, leaf: Setting, way: tuple[str, ...], text: str) -> Any:
    """The sample of a setting with one of its strings replaced."""
    own: Any = [text] if leaf.type in directives.EACH else text
    if not way:
        return own
    record = {**(sample(setting)[0] if setting.type == "records" else sample(setting)), way[0]: own}
    return [record] if setting.type == "records" else record


def test_the_words_of_options_are_in_the_order_of_the_data() -> None:
    values = {"umask": "0027", "restart_interval": 5, "chroot": "/a b", "maximum_requests": 7, "server_metrics": True}
    assert daemon_option_words(values) == [
        'chroot="/a b"',
        "maximum-requests=7",
        "restart-interval=5",
        "server-metrics=On",
    ]
    assert daemon_option_words(values, debug=True) == ['chroot="/a b"', "server-metrics=On"]


def test_the_reference_names_each_of_them_once() -> None:
    text = (directives.DATA.parents[3] / "docs" / "reference.md").read_text(encoding="utf-8")
    first = re.findall(r"^\| `([^`]+)` \|", text, re.MULTILINE)
    names = [setting.title for name in (DIRECTIVES, DAEMON_OPTIONS, SCRIPT_ALIAS_OPTIONS) for setting in table(name)]
    assert sorted(first) == sorted(names)
