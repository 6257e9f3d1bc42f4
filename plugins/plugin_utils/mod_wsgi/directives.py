# SPDX-License-Identifier: Apache-2.0
"""Every directive of mod_wsgi and every option of its daemon processes: what may be set, since when, how it is written.

The data is in ``directives.yml`` beside this file, which also says what its fields mean. This module reads it,
says what is wrong with a value, and lays values out as lines for httpd. Runs on the control node only.
"""

from __future__ import annotations

import math
import os
import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any

from ansible.module_utils.common.yaml import yaml_load
from ansible.module_utils.parsing.convert_bool import boolean
from ansible_collections.modwsgi.deploy.plugins.module_utils.mod_wsgi.versions import version_key
from ansible_collections.modwsgi.deploy.plugins.plugin_utils.httpd.quoting import QuotingError, quote

DATA = Path(__file__).resolve().with_name("directives.yml")

DIRECTIVES, DAEMON_OPTIONS, SCRIPT_ALIAS_OPTIONS = "directives", "daemon_options", "script_alias_options"
"""The tables of the data."""

SERVER, INTERPRETER, VHOST, LOCATION = "server", "interpreter", "vhost", "location"
"""Where a directive may stand; the places of the table of directives."""

INT_MAX = 2147483647
"""The largest number that mod_wsgi reads rightly (atoi), unless the data says otherwise."""
SEED_MAX = 4294967295

PATTERNS: dict[str, tuple[re.Pattern[str], str]] = {
    "group": (
        re.compile(r"%\{GLOBAL\}|[A-Za-z0-9][A-Za-z0-9_.:-]{0,63}"),
        "use %{GLOBAL}, or a name of letters, digits and '_.:-'",
    ),
    "name": (re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,63}"), "use letters, digits and '_.-'"),
    "expression": (re.compile(r"(?s).+"), "give a regular expression, for example ^/wiki/[a-z]+"),
}
"""Forms of text, and what to do when a value has another."""

ACCOUNT = re.compile(r"[a-z_][a-z0-9_-]{0,31}")
OCTAL = re.compile(r"0?[0-7]{3}")


Values = Mapping[str, Any]
Problems = Iterator[tuple[str, str]]
"""Pairs of a key and what is wrong with it."""


@dataclass(frozen=True)
class Setting:
    """One directive, one option, or one field of either."""

    name: str
    """mod_wsgi's own name."""
    key: str = ""
    """Our name; "" when other keys of ours set it."""
    title: str = ""
    """mod_wsgi's own name as people write it."""
    type: str = ""
    """See the data; "" when other keys of ours set it."""
    description: str = ""
    at: tuple[str, ...] = ()
    set_by: tuple[str, ...] = ()
    minimum: float | None = None
    maximum: float | None = None
    above: float | None = None
    or_zero: bool = False
    unit: str = ""
    choices: tuple[str, ...] = ()
    pattern: str = ""
    prefix: str = ""
    place: str = "argument"
    required: bool = False
    fields: tuple[Setting, ...] = ()
    given: tuple[str, ...] = ()
    default: Any = None
    ours: Any = None
    since: str = ""
    removed: str = ""
    changed: Mapping[str, str] = field(default_factory=dict)
    placed: bool = False
    not_in_debug_mode: bool = False
    sample: Any = None

    @property
    def option(self) -> str:
        """The name as an option, ``application-group`` of ``application_group``."""
        return self.name.replace("_", "-")

    def unavailable(self, version: str) -> str:
        """Why a version of mod_wsgi does not have it and what to do; "" when it does."""
        if self.since and version_key(version) < version_key(self.since):
            return (
                f"exists since mod_wsgi {self.since}, and {version} is to be installed; leave it out or set "
                f"mod_wsgi_version to {self.since} or later"
            )
        if self.removed and version_key(version) >= version_key(self.removed):
            return (
                f"was removed in mod_wsgi {self.removed}, and {version} is to be installed; leave it out or set "
                f"mod_wsgi_version to one before {self.removed}"
            )
        return ""


def _setting(name: str, entry: Values, derive_key: bool) -> Setting:
    content: dict[str, Any] = {key: tuple(value) if isinstance(value, list) else value for key, value in entry.items()}
    if "fields" in content:
        content["fields"] = tuple(_setting(field_, known, True) for field_, known in content["fields"].items())
    if "sample" in entry:
        content["sample"] = entry["sample"]
    if derive_key and "type" in content:
        content.setdefault("key", name.replace("-", "_"))
    content.setdefault("title", name)
    return Setting(name=name, **content)


@cache
def _data() -> Mapping[str, Any]:
    found: Mapping[str, Any] = yaml_load(DATA.read_text(encoding="utf-8"))
    return found


@cache
def table(name: str) -> tuple[Setting, ...]:
    """The settings of one table, in the order in which they are written."""
    return tuple(_setting(entry, known, name != DIRECTIVES) for entry, known in _data()[name].items())


@cache
def at(place: str) -> Mapping[str, Setting]:
    """The directives that may stand at a place, by our key."""
    return {setting.key: setting for setting in table(DIRECTIVES) if setting.type and place in setting.at}


@cache
def daemon_options() -> Mapping[str, Setting]:
    """The options of daemon processes that have a key of their own, by our key."""
    return {setting.key: setting for setting in table(DAEMON_OPTIONS) if setting.type}


def express() -> list[tuple[str, str]]:
    """Options of mod_wsgi-express, several in one text where the answer is one, and what sets them here."""
    return [(str(names), str(ours)) for names, ours in _data()["express_options"].items()]


def given(values: Values | None) -> dict[str, Any]:
    """The values that are set; None is not."""
    return {key: value for key, value in (values or {}).items() if value is not None}


# ---------------------------------------------------------------- what is wrong with a value


def _integer_problem(setting: Setting, value: Any) -> str:
    try:
        number = int(value)
    except (TypeError, ValueError):
        return f"{value!r} is not a whole number"
    if isinstance(value, bool) or (isinstance(value, float) and number != value):
        return f"{value!r} is not a whole number"
    return _bounds_problem(setting, number)


def _number_problem(setting: Setting, value: Any) -> str:
    try:
        number = float(value)
    except (TypeError, ValueError):
        return f"{value!r} is not a number"
    if isinstance(value, bool) or not math.isfinite(number):
        return f"{value!r} is not a number"
    return _bounds_problem(setting, number)


def _bounds_problem(setting: Setting, number: float) -> str:
    if setting.or_zero and number == 0:
        return ""
    least = "" if setting.minimum is None else f"{setting.minimum:g}" if setting.type == "number" else setting.minimum
    if setting.minimum is not None and number < setting.minimum:
        return f"{number} is too small; the least is {least}" + (", or 0 for the default" if setting.or_zero else "")
    if setting.above is not None and number <= setting.above:
        return f"{number} is too small; it must be above {setting.above:g}"
    maximum = INT_MAX if setting.maximum is None else setting.maximum
    return f"{number} is too large; the greatest is {maximum}" if number > maximum else ""


def _text_problem(setting: Setting, value: Any) -> str:
    if not isinstance(value, str):
        return f"{value!r} is not a text; put it in quotes"
    if not value:
        return "it is empty; give a value or remove it"
    if setting.choices and value not in setting.choices:
        return f"{value!r} is none of {', '.join(setting.choices)}; choose one"
    if setting.pattern and not PATTERNS[setting.pattern][0].fullmatch(value):
        return f"{value!r} is not usable; {PATTERNS[setting.pattern][1]}"
    return ""


def _choice_problem(setting: Setting, value: Any) -> str:
    choice = choice_text(value)
    return "" if choice in setting.choices else f"{value!r} is none of {', '.join(setting.choices)}; choose one"


def _path_problem(setting: Setting, value: Any) -> str:
    return _text_problem(setting, value) or (
        "" if value.startswith("/") else f"{value!r} is not absolute; begin it with /"
    )


def _script_problem(setting: Setting, value: Any) -> str:
    problem = _text_problem(setting, value)
    if not problem and not value.startswith("/") and ".." in value.split("/"):
        return f"{value!r} leads out of the source; give a path relative to it without '..', or an absolute one"
    return problem


def _account_problem(setting: Setting, value: Any) -> str:
    return _text_problem(setting, value) or (
        ""
        if ACCOUNT.fullmatch(value)
        else f"{value!r} is not the name of an account; use at most 32 of a-z, 0-9, '-' and '_'"
    )


def _octal_problem(setting: Setting, value: Any) -> str:
    # YAML reads 0022 as a number, 18 or 22; which one was meant is not to be guessed.
    if not isinstance(value, str) or not OCTAL.fullmatch(value):
        return f'{value!r} is not an octal text; write it in quotes, like "{setting.ours}"'
    return ""


def _seed_problem(_setting: Setting, value: Any) -> str:
    if value == "random" or (re.fullmatch(r"[0-9]{1,10}", str(value)) and int(value) <= SEED_MAX):
        return ""
    return f"{value!r} is neither random nor a number from 0 to {SEED_MAX}; use one of the two"


def _switch_problem(_setting: Setting, value: Any) -> str:
    try:
        truth(value)
    except TypeError:
        return f"{value!r} is neither true nor false; use one of the two"
    return ""


def _folder_problem(setting: Setting, value: Any) -> str:
    return _path_problem(setting, value) or (f"{value!r} holds a colon, which would split it" if ":" in value else "")


ONE: dict[str, Callable[[Setting, Any], str]] = {
    "switch": _switch_problem,
    "integer": _integer_problem,
    "number": _number_problem,
    "text": _text_problem,
    "choice": _choice_problem,
    "path": _path_problem,
    "script": _script_problem,
    "account": _account_problem,
    "octal": _octal_problem,
    "seed": _seed_problem,
}
"""Types of one value, and what is wrong with one."""

EACH: dict[str, Callable[[Setting, Any], str]] = {
    "words": _text_problem,
    "lines": _text_problem,
    "paths": _folder_problem,
    "accounts": _account_problem,
}
"""Types of lists, and what is wrong with an item."""


def value_problems(setting: Setting, key: str, value: Any) -> Problems:
    """What is wrong with one value; ``key`` leads to it."""
    if setting.type == "record":
        yield from record_problems(setting, key, value)
    elif setting.type == "records":
        for index, record in enumerate(_items(value)):
            yield from record_problems(setting, f"{key}[{index}]", record)
    elif setting.type in EACH:
        items = _items(value)
        if not items:
            yield key, "the list is empty; remove it or fill it"
        for index, item in enumerate(items):
            yield from _one_problem(EACH[setting.type], setting, f"{key}[{index}]", item)
    else:
        yield from _one_problem(ONE[setting.type], setting, key, value)


def _items(value: Any) -> Sequence[Any]:
    return value if isinstance(value, (list, tuple)) else [value]


def _one_problem(check: Callable[[Setting, Any], str], setting: Setting, key: str, value: Any) -> Problems:
    problem = check(setting, value)
    if not problem and isinstance(value, str):
        try:
            quote(value)
        except QuotingError as error:
            problem = str(error).rstrip(".")
    if problem:
        yield key, problem


def record_problems(setting: Setting, key: str, record: Values) -> Problems:
    """What is wrong with the fields of one record."""
    present = given(record)
    for known in setting.fields:
        if known.name in present:
            yield from value_problems(known, f"{key}.{known.name}", present[known.name])
        elif known.required:
            yield f"{key}.{known.name}", "it is missing; give it"


def problems(known: Mapping[str, Setting], values: Values | None, key: str) -> Problems:
    """What is wrong with the values of one mapping, as far as each value alone can tell."""
    for name, value in given(values).items():
        where = f"{key}.{name}"
        if name in known:
            yield from value_problems(known[name], where, value)


def unavailable(known: Mapping[str, Setting], values: Values | None, key: str, version: str) -> Problems:
    """Which of the values a version of mod_wsgi does not have."""
    for name in given(values):
        problem = known[name].unavailable(version) if name in known else ""
        if problem:
            yield f"{key}.{name}", problem


# ---------------------------------------------------------------- how a value is written


def choice_text(value: Any) -> str:
    """A choice as text: YAML reads a bare on and off as true and false."""
    if isinstance(value, bool):
        return "on" if value else "off"
    return str(value)


def truth(value: Any) -> bool:
    """A switch, which YAML or a template may have as a text. Raises TypeError for anything else."""
    return bool(boolean(value))


def on_off(value: Any) -> str:
    """A switch as httpd reads it."""
    return "On" if truth(value) else "Off"


def _number_text(value: Any) -> str:
    return f"{float(value):.9f}".rstrip("0").rstrip(".") if 1e-6 <= float(value) < 1e15 else repr(float(value))


PLAIN: dict[str, Callable[[Setting, Any, str], str]] = {
    "switch": lambda _setting, value, _code: on_off(value),
    "integer": lambda _setting, value, _code: str(int(value)),
    "number": lambda _setting, value, _code: _number_text(value),
    "choice": lambda _setting, value, _code: choice_text(value),
    "script": lambda _setting, value, code: os.path.normpath(os.path.join(code, value)),
    "paths": lambda _setting, value, _code: ":".join(_items(value)),
    "accounts": lambda _setting, value, _code: ",".join(_items(value)),
}
"""How a value becomes text, where it is not text; the last argument is the folder of the application's code."""


def text(setting: Setting, value: Any, code: str = "") -> str:
    """One value as the text that mod_wsgi is to read, before quoting."""
    plain = PLAIN.get(setting.type)
    return setting.prefix + (plain(setting, value, code) if plain else str(value))


def option_text(name: str, value: str) -> str:
    """An option as mod_wsgi reads it: only the value may have quotes."""
    return f"{name}={quote(value, name)}"


def lines(setting: Setting, value: Any, code: str = "", additions: Mapping[str, str] | None = None) -> list[str]:
    """A directive with its value, as lines for httpd.

    ``code`` is the folder of the application's code, ``additions`` has what we add (`given` in the data).
    """
    if setting.type in ("records", "lines"):
        return [line for item in _items(value) for line in _lines(setting, item, code, additions or {})]
    return _lines(setting, value, code, additions or {})


def _lines(setting: Setting, value: Any, code: str, additions: Mapping[str, str]) -> list[str]:
    if setting.type in ("record", "records"):
        arguments = _record_arguments(setting, given(value), code, additions)
    elif setting.type == "words":
        arguments = [quote(text(setting, item), setting.key) for item in _items(value)]
    else:
        arguments = [quote(text(setting, value, code), setting.key)]
    return [" ".join([setting.name, *arguments])]


def _record_arguments(setting: Setting, record: Values, code: str, additions: Mapping[str, str]) -> list[str]:
    arguments, options = [], []
    for known in setting.fields:
        if known.name in record and known.place == "argument":
            arguments.append(quote(text(known, record[known.name], code), known.name))
        elif known.name in record and known.place == "option":
            options.append(option_text(known.option, text(known, record[known.name], code)))
    for name in setting.given:
        if name == "launcher":
            arguments.append(quote(additions[name], name))
        else:
            options.append(option_text(name, additions[name]))
    return [*arguments, *options]


def directive_lines(
    place: str, values: Values | None, code: str = "", additions: Mapping[str, str] | None = None
) -> list[str]:
    """The directives that are set at a place, in the order of the data; those that the template places are left out."""
    present = given(values)
    settings = [setting for key, setting in at(place).items() if key in present and not setting.placed]
    return [line for setting in settings for line in lines(setting, present[setting.key], code, additions)]


def daemon_option_words(values: Values | None, debug: bool = False) -> list[str]:
    """The options of daemon processes that are set, in the order of the data; the template places some itself."""
    present = given(values)
    return [
        option_text(setting.name, text(setting, present[key]))
        for key, setting in daemon_options().items()
        if key in present and not setting.placed and not (debug and setting.not_in_debug_mode)
    ]


# ---------------------------------------------------------------- the whole server


def server_settings() -> Mapping[str, Setting]:
    """The keys of `mod_wsgi_directives`."""
    return at(SERVER)


def server_problems(values: Values | None, version: str = "") -> Problems:
    """What is wrong with `mod_wsgi_directives`; with ``version`` also what that mod_wsgi does not have."""
    key = "mod_wsgi_directives"
    yield from problems(server_settings(), values, key)
    for index, options in enumerate(_items(given(values).get("interpreter_options") or [])):
        where = f"{key}.interpreter_options[{index}]"
        yield from problems(at(INTERPRETER), options, where)
        if not set(given(options)) & {"process_group", "application_group"}:
            yield where, "it names neither a process_group nor an application_group; give one"
        if not set(given(options)) & set(at(INTERPRETER)):
            yield where, "it sets nothing; add a setting or remove it"
    if "telemetry_service" not in given(values):
        for name in ("slow_requests", "telemetry_options"):
            if name in given(values):
                yield f"{key}.{name}", "it has no effect without telemetry_service; add that, or remove it"
    # Also where Python was not built for it (measured with mod_wsgi 6.1.1 and Python 3.11 on Debian 12, 2026-11).
    if "switch_interval" in given(values) and truth(given(values).get("free_threading", False)):
        yield f"{key}.switch_interval", "it has no effect while free_threading is true; remove one"
    if version:
        yield from unavailable(server_settings(), values, key, version)


def server_lines(values: Values | None) -> list[str]:
    """`mod_wsgi_directives` as lines for httpd."""
    present = given(values)
    sections = present.pop("interpreter_options", None) or []
    found = directive_lines(SERVER, present)
    for section in _items(sections):
        found += interpreter_section(section)
    return found


def interpreter_section(values: Values) -> list[str]:
    """One section <WSGIInterpreterOptions>."""
    present = given(values)
    # Here a whole word is in quotes, and not the value alone.
    names = [
        f"{name.replace('_', '-')}={present[name]}"
        for name in ("process_group", "application_group")
        if name in present
    ]
    opening = " ".join(["<WSGIInterpreterOptions", *(quote(name, "interpreter_options") for name in names)])
    inner = [f"    {line}" for line in directive_lines(INTERPRETER, present)]
    return [f"{opening}>", *inner, "</WSGIInterpreterOptions>"]


def sentences(found: Iterable[tuple[str, str]]) -> list[str]:
    """Problems of `mod_wsgi_directives` as sentences."""
    return [f"{key}: {problem}." for key, problem in found]
