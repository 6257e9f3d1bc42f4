#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Make what derives from the directives of mod_wsgi: argument specifications, docs/reference.md, docs/migrating.md.

The source is plugins/plugin_utils/mod_wsgi/directives.yml. `--check` prints one line for each file that is not what it
says; `--write` makes them. Then `tools/specification.py --write` takes the argument specifications over.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import yaml

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT / "collections"))
sys.path.insert(0, str(ROOT))

from ansible_collections.modwsgi.deploy.plugins.plugin_utils.mod_wsgi.directives import (  # noqa: E402
    DAEMON_OPTIONS,
    DIRECTIVES,
    INTERPRETER,
    LOCATION,
    SCRIPT_ALIAS_OPTIONS,
    SERVER,
    VHOST,
    Setting,
    at,
    daemon_options,
    express,
    table,
)

from tools.generated import Generated  # noqa: E402
from tools.specification import cell, plain  # noqa: E402

REFERENCE = Path("docs/reference.md")
MIGRATING = Path("docs/migrating.md")
SPECIFICATIONS = {
    "mod_wsgi": Path("roles/mod_wsgi/meta/argument_specs.yml"),
    "wsgi_app": Path("roles/wsgi_app/meta/argument_specs.yml"),
}
SOURCE = "plugins/plugin_utils/mod_wsgi/directives.yml"

Options = dict[str, dict[str, Any]]

# ---------------------------------------------------------------- the argument specifications

TYPES = {"switch": "bool", "integer": "int", "number": "float", "record": "dict"}
LISTS = ("words", "lines", "paths", "accounts")


def versions(setting: Setting) -> str:
    """Since when and until when, in words; "" for what every version has."""
    if setting.since:
        return f"since {setting.since}"
    return f"before {setting.removed}" if setting.removed else ""


def origin(setting: Setting) -> str:
    """mod_wsgi's own name, with its versions."""
    when = versions(setting)
    changed = [f"{text} (since {version})" for version, text in setting.changed.items()]
    unit = [f"In {setting.unit}."] if setting.unit else []
    known = f"C({setting.title}){f', {when}' if when else ''}."
    return " ".join([*unit, known, *changed])


def argument(setting: Setting) -> dict[str, Any]:
    """One option of an argument specification."""
    own = [origin(setting)] if setting.name != setting.key else []
    option: dict[str, Any] = {
        "description": " ".join([setting.description, *own]),
        "type": TYPES.get(setting.type, "str"),
    }
    if setting.type in LISTS:
        option.update(type="list", elements="str")
    if setting.type == "records":
        option.update(type="list", elements="dict")
    if setting.required:
        option["required"] = True
    if setting.choices:
        option["choices"] = list(setting.choices)
    if setting.fields:
        option["options"] = {known.name: argument(known) for known in setting.fields}
    return option


def place_arguments(place: str) -> Options:
    """The options for the directives of one place."""
    return {key: argument(setting) for key, setting in at(place).items()}


def server_arguments() -> Options:
    """`mod_wsgi_directives`."""
    options = place_arguments(SERVER)
    options["interpreter_options"]["options"].update(place_arguments(INTERPRETER))
    return {
        "mod_wsgi_directives": {
            "description": "Directives of mod_wsgi for the whole server; only those that are set are written. "
            "See docs/reference.md.",
            "type": "dict",
            "default": {},
            "options": options,
        }
    }


def daemon_arguments() -> dict[str, Any]:
    """`daemon_options`, of an application or of one of its groups."""
    return {
        "description": "Further options of the daemon process group; only those that are set are written.",
        "type": "dict",
        "options": {key: argument(setting) for key, setting in daemon_options().items()},
    }


def vhost_arguments() -> dict[str, Any]:
    """`wsgi_directives`."""
    location = {
        "path": {"description": "Path of the URL that the directives are for.", "type": "str", "required": True},
        **place_arguments(LOCATION),
    }
    return {
        "description": "Directives of mod_wsgi for the vhost; only those that are set are written. "
        "See docs/reference.md.",
        "type": "dict",
        "options": {
            **place_arguments(VHOST),
            "locations": {
                "description": "Directives for parts of the vhost, by the path of their URLs.",
                "type": "list",
                "elements": "dict",
                "options": location,
            },
        },
    }


class Dumper(yaml.SafeDumper):
    """Writes lists as the rest of the files has them."""

    def increase_indent(self, flow: bool = False, indentless: bool = False) -> None:  # noqa: ARG002
        """Indent items of lists too."""
        super().increase_indent(flow, False)

    def ignore_aliases(self, data: Any) -> bool:  # noqa: ARG002
        """Write everything out."""
        return True


def short_list(dumper: Dumper, values: list[Any]) -> yaml.Node:
    """A list of words in one line."""
    return dumper.represent_sequence("tag:yaml.org,2002:seq", values, flow_style=True)


Dumper.add_representer(list, short_list)


def as_yaml(options: Mapping[str, Any], indent: int) -> str:
    """Options as text, at their place in the file."""
    text = yaml.dump(dict(options), Dumper=Dumper, sort_keys=False, width=124, allow_unicode=True)
    text = re.sub(r"^(daemon_options):$", r"\1: &\1", text, flags=re.MULTILINE)  # groups have the same
    return "".join(f"{' ' * indent}{line}\n" if line else "\n" for line in text.splitlines())


SPECIFICATION_PARTS: dict[str, dict[str, tuple[int, Callable[[], Options]]]] = {
    "mod_wsgi": {"mod_wsgi_directives": (6, server_arguments)},
    "wsgi_app": {
        "daemon_options and wsgi_directives": (
            10,
            lambda: {"daemon_options": daemon_arguments(), "wsgi_directives": vhost_arguments()},
        ),
    },
}
"""For each role the parts of its argument specification: how far they are indented, and what they say."""


def specification(role: str, text: str) -> str:
    """The argument specification of a role with its parts renewed."""
    for part, (indent, options) in SPECIFICATION_PARTS[role].items():
        text = MADE.between_marks(text, as_yaml(options(), indent), part, "# {}")
    return text


# ---------------------------------------------------------------- the reference

PREFACE = f"""\
<!-- Made from {SOURCE}: edit that, then run tools/reference.py --write. -->
# Directives and options of mod_wsgi

Every directive of mod_wsgi (54), every option of `WSGIDaemonProcess` (46) and of `WSGIScriptAlias` (4), with the key
that sets it. All other variables: [variables.md](variables.md). To come from a configuration of your
own: [migrating.md](migrating.md).

```yaml
mod_wsgi_directives:              # the whole server
  python_optimize: 1
  switch_interval: 0.01           # refused before any change where mod_wsgi is older than 6.0.0

wsgi_apps:
  - name: shop
    # ...
    request_timeout: 30           # the common options have keys of their own
    daemon_options:               # all others of WSGIDaemonProcess
      maximum_requests: 10000
      inactivity_timeout: 900
    daemon_groups:                # more processes of the same application, for some paths
      - name: reports
        paths: [/reports]
        processes: 1
        request_timeout: 600
    wsgi_directives:              # the vhost
      chunked_request: true
      locations:                  # parts of it
        - path: /healthz
          ignore_activity: true
        - path: /staff
          auth_user_script:
            script: auth.py
            realm: Staff only
```

- Only what is set is written, and the few values that differ from mod_wsgi's own (column "ours").
- The preflight refuses what the chosen mod_wsgi does not have, and what its parser would refuse or misread.
- Switches are `true` or `false`. A script is a path below the application's source, or an absolute one.
- A change of `mod_wsgi_directives` restarts httpd, all others reload it.
- In debug mode, the options marked with * are left out, and `daemon_groups` too: one process with one thread serves
  everything.
- With `mode: embedded` there are neither `daemon_options` nor `daemon_groups`.
"""

SECTIONS = {
    SERVER: (
        "The whole server: `mod_wsgi_directives`",
        "Written to `mods-available/modwsgi.conf`.",
    ),
    VHOST: (
        "An application: `wsgi_directives`",
        "Those marked with L may also stand in an entry of `locations`, for its `path`; those with l only there.",
    ),
}


def value_text(setting: Setting) -> str:
    """What a value looks like: type, bounds, unit."""
    words = {
        "switch": "bool",
        "seed": "`random` or 0 to 4294967295",
        "octal": "octal digits",
        "words": "list",
        "lines": "list",
        "paths": "list of paths",
        "accounts": "list of groups",
        "records": "list of dicts",
        "record": "dict",
        "text": "text",
        "number": "number",
        "account": "account",
        "path": "absolute path",
        "script": "path of a script",
    }
    if setting.choices:
        listed = ", ".join(f"`{choice}`" for choice in setting.choices)
        return f"list of {listed}" if setting.type in LISTS else listed
    if setting.type == "integer":
        shown = "whole number" if setting.minimum is None else f"{setting.minimum} and more"
        if setting.maximum is not None and setting.maximum < 2**31:
            shown = f"{setting.minimum} to {setting.maximum}"
        shown += " (or 0)" if setting.or_zero else ""
        return f"{shown}, {setting.unit}" if setting.unit else shown
    if setting.type == "number":
        shown = f"above {setting.above:g}" if setting.above is not None else f"{setting.minimum:g} and more"
        return f"{shown}, {setting.unit}"
    return words[setting.type]


def field_texts(setting: Setting) -> str:
    """The fields of a record, in words."""
    if not setting.fields:
        return ""
    shown = [
        f"`{known.name}`{'' if known.required else ' (optional)'}: {plain(known.description)}"
        for known in setting.fields
    ]
    return " Keys: " + " ".join(shown)


def meaning(setting: Setting) -> str:
    """What it is for, with what changed."""
    changes = "".join(f" **Since {version}:** {text}" for version, text in setting.changed.items())
    return plain(setting.description) + field_texts(setting) + changes


def default_text(setting: Setting) -> str:
    """mod_wsgi's default, and ours where it is another."""
    return f"{setting.default}; ours: {setting.ours}" if setting.ours is not None else str(setting.default)


def mark(setting: Setting) -> str:
    """Where else it may stand, or when it is left out."""
    if LOCATION in setting.at:
        return " L" if VHOST in setting.at else " l"
    return " \\*" if setting.not_in_debug_mode else ""


def rows(settings: Sequence[Setting]) -> Iterator[str]:
    """The table of settings that have a key of their own."""
    yield "| mod_wsgi | key | value | without it | versions | meaning |"
    yield "|---|---|---|---|---|---|"
    for setting in settings:
        columns = (
            f"`{setting.title}`",
            f"`{setting.key}`{mark(setting)}",
            value_text(setting),
            default_text(setting),
            versions(setting) or "all",
            meaning(setting),
        )
        yield "| " + " | ".join(cell(" ".join(column.split())) for column in columns) + " |"


def owned_rows(settings: Sequence[Setting]) -> Iterator[str]:
    """The table of settings that other keys set."""
    yield "| mod_wsgi | set by | without it | versions | meaning |"
    yield "|---|---|---|---|---|"
    for setting in settings:
        keys = ", ".join(f"`{key}`" for key in setting.set_by) or "nothing: no module that is supported here has it"
        columns = (f"`{setting.title}`", keys, default_text(setting), versions(setting) or "all", meaning(setting))
        yield "| " + " | ".join(cell(" ".join(column.split())) for column in columns) + " |"


def typed(settings: Sequence[Setting]) -> list[Setting]:
    """Those with a key of their own."""
    return [setting for setting in settings if setting.type]


def owned(settings: Sequence[Setting]) -> list[Setting]:
    """Those that other keys set."""
    return [setting for setting in settings if not setting.type]


def reference() -> str:
    """The text of docs/reference.md."""
    directives, options, alias = table(DIRECTIVES), table(DAEMON_OPTIONS), table(SCRIPT_ALIAS_OPTIONS)
    lines = [*PREFACE.splitlines(), ""]
    of_server = [setting for setting in typed(directives) if SERVER in setting.at]
    of_application = [setting for setting in typed(directives) if SERVER not in setting.at]
    for place, settings in ((SERVER, of_server), (VHOST, of_application)):
        title, text = SECTIONS[place]
        lines += [f"## {title}", "", text, "", *rows(settings), ""]
    interpreters = ", ".join(f"`{setting.key}`" for setting in directives if INTERPRETER in setting.at)
    lines += [
        "### Single interpreters: `mod_wsgi_directives.interpreter_options`",
        "",
        "Each entry names a `process_group` (an application, or `NAME:GROUP` for one of its `daemon_groups`), an "
        f"`application_group`, or both, and sets some of {interpreters} for it.",
        "",
        "## Daemon processes: `daemon_options`",
        "",
        *rows(typed(options)),
        "",
        "## What other keys set",
        "",
        "### Directives",
        "",
        *owned_rows(owned(directives)),
        "",
        "### Options of `WSGIDaemonProcess`",
        "",
        *owned_rows(owned(options)),
        "",
        "### Options of `WSGIScriptAlias` and `WSGIScriptAliasMatch`",
        "",
        *owned_rows(owned(alias)),
        "",
        "## What changed between versions of mod_wsgi",
        "",
        *version_lines(),
    ]
    return "\n".join(lines).rstrip() + "\n"


def version_lines() -> Iterator[str]:
    """What came, went and changed, by version."""
    found: dict[str, list[str]] = {}
    for setting in (*table(DIRECTIVES), *table(DAEMON_OPTIONS)):
        if setting.since:
            found.setdefault(setting.since, []).append(f"new: `{setting.title}`")
        if setting.removed:
            found.setdefault(setting.removed, []).append(f"removed: `{setting.title}`")
        for version, text in setting.changed.items():
            found.setdefault(version, []).append(f"changed: `{setting.title}`. {plain(text)}")
    for version in sorted(found, key=lambda text: [int(part) for part in text.split(".")]):
        yield f"- **{version}**"
        yield from (f"  - {text}" for text in sorted(found[version]))


# ---------------------------------------------------------------- coming from elsewhere


def our_key(setting: Setting) -> str:
    """Where a directive or an option is set."""
    if setting.set_by:
        return ", ".join(f"`{key}`" for key in setting.set_by)
    if not setting.type:
        return "none: no module that is supported here has it"
    if not setting.at:
        return f"`wsgi_apps[].daemon_options.{setting.key}`"
    if SERVER in setting.at:
        return f"`mod_wsgi_directives.{setting.key}`"
    if VHOST in setting.at:
        return f"`wsgi_apps[].wsgi_directives.{setting.key}`"
    return f"`wsgi_apps[].wsgi_directives.locations[].{setting.key}`"


def migrating_tables() -> str:
    """The tables yours -> ours, for a configuration by hand and for mod_wsgi-express."""
    lines = ["", "### Directives of a configuration by hand", "", "| yours | ours |", "|---|---|"]
    lines += [f"| `{setting.title}` | {our_key(setting)} |" for setting in table(DIRECTIVES)]
    lines += ["", "### Options of `WSGIDaemonProcess`", "", "| yours | ours |", "|---|---|"]
    lines += [f"| `{setting.title}=` | {our_key(setting)} |" for setting in table(DAEMON_OPTIONS)]
    lines += ["", "### Options of `WSGIScriptAlias`", "", "| yours | ours |", "|---|---|"]
    lines += [f"| `{setting.title}=` | {our_key(setting)} |" for setting in table(SCRIPT_ALIAS_OPTIONS)]
    lines += ["", "### Options of mod_wsgi-express", "", "| yours | ours |", "|---|---|"]
    lines += [
        f"| {', '.join(f'`{name}`' for name in names.split())} | {cell(plain(ours))} |" for names, ours in express()
    ]
    return "\n".join([*lines, "", ""])


def migrating(text: str) -> str:
    """docs/migrating.md with its tables renewed."""
    return MADE.between_marks(text, migrating_tables(), "tables for mod_wsgi")


# ---------------------------------------------------------------- the command


def made(root: Path) -> Iterator[tuple[Path, str]]:
    """The files that derive from the data, with their text. Raises ValueError when a file lacks its marks."""
    for role, path in SPECIFICATIONS.items():
        yield path, specification(role, (root / path).read_text(encoding="utf-8"))
    yield REFERENCE, reference()
    yield MIGRATING, migrating((root / MIGRATING).read_text(encoding="utf-8"))


MADE = Generated(Path(__file__).name, SOURCE, made)

if __name__ == "__main__":
    sys.exit(MADE.main(__doc__))
