#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Keep the roles' argument specifications, their defaults and docs/variables.md in agreement.

A variable of a role is described in ``meta/argument_specs.yml`` and valued in ``defaults/main.yml``. `--check` compares
the two by name, type and value, and prints one line per disagreement; `--write` makes docs/variables.md from them.
"""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from ansible.module_utils.common.yaml import yaml_load
from yaml import YAMLError

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT / "collections"))
sys.path.insert(0, str(ROOT))

from ansible_collections.modwsgi.deploy.plugins.plugin_utils.specification import (  # noqa: E402
    COLLECTION,
    RoleSpecification,
    load_role,
)

from tools.generated import Generated  # noqa: E402

ROLES = ("httpd", "mod_wsgi", "wsgi_app")
"""In the order in which they are applied."""

DOCUMENT = Path("docs/variables.md")

Options = Mapping[str, Mapping[str, Any]]

# ---------------------------------------------------------------- drift


def is_template(value: object) -> bool:
    """Whether Ansible computes this value on the host, so that nothing can be said about it here."""
    return isinstance(value, str) and ("{{" in value or "{%" in value)


def same(left: object, right: object) -> bool:
    """Equality that tells 1, 1.0, "1" and true apart, as a reader of YAML does."""
    return json.dumps(left, sort_keys=True, default=repr) == json.dumps(right, sort_keys=True, default=repr)


def yaml_type(value: object) -> str:
    """The name which an argument specification has for the type of a value."""
    names = {bool: "bool", int: "int", float: "float", str: "str", list: "list", dict: "dict", type(None): "null"}
    return names.get(type(value), type(value).__name__)


def matches_type(value: object, declared: str) -> bool:
    """Whether a literal has the declared type without a conversion."""
    accepted = {"path": ("str",), "float": ("float", "int"), "raw": (yaml_type(value),), "bytes": ("str", "int")}
    return yaml_type(value) in accepted.get(declared, (declared,))


def type_drift(where: str, value: object, option: Mapping[str, Any]) -> Iterator[str]:
    """Where a value, or a part of it, contradicts the declared type, choices or nested options."""
    if value is None or is_template(value):
        return
    declared = option.get("type", "str")
    if not matches_type(value, declared):
        yield f"{where}: the default is of type {yaml_type(value)}, declared is {declared}"
        return
    items: list[object] = value if isinstance(value, list) else [value]
    for item in items:
        if option.get("choices") and not any(same(item, choice) for choice in option["choices"]):
            yield f"{where}: the default {item!r} is none of the choices"
    if isinstance(value, list):
        element = {key: content for key, content in option.items() if key in ("options", "required")}
        for index, item in enumerate(value):
            yield from type_drift(f"{where}[{index}]", item, {**element, "type": option.get("elements", "raw")})
    elif isinstance(value, dict) and option.get("options"):
        yield from dictionary_drift(where, value, option["options"])


def dictionary_drift(where: str, value: Mapping[str, object], options: Options) -> Iterator[str]:
    """Where a dictionary contradicts its nested options."""
    for key, item in value.items():
        if key in options:
            yield from type_drift(f"{where}.{key}", item, options[key])
        else:
            yield f"{where}.{key}: the default has a key which is not declared"
    for key, option in options.items():
        if option.get("required") and key not in value:
            yield f"{where}.{key}: required, and missing in the default"


def option_drift(where: str, option: Mapping[str, Any]) -> Iterator[str]:
    """What an option's own declaration lacks or contradicts, nested ones included."""
    for key in ("type", "description"):
        if not option.get(key):
            yield f"{where}: has no {key}"
    if option.get("type") == "list" and not option.get("elements"):
        yield f"{where}: is a list, and does not declare its elements"
    if option.get("required") and "default" in option:
        yield f"{where}: is required, so its default is never used"
    yield from type_drift(where, option.get("default"), option)
    for name, nested in (option.get("options") or {}).items():
        yield from option_drift(f"{where}.{name}", nested)


def defaults_drift(role: RoleSpecification) -> Iterator[str]:
    """Where the entry point main and defaults/main.yml disagree in names, values or types."""
    options: Options = (role.entry_points.get("main") or {}).get("options") or {}
    for name, option in options.items():
        if name in role.defaults:
            yield from value_drift(name, option, role.defaults[name])
        elif "default" in option:
            yield f"{name}: the specification has a default, defaults/main.yml has none"
        elif "required" not in option:
            yield f"{name}: has no default in defaults/main.yml; add it, or declare `required` (false: optional)"
    for name in role.defaults:
        if name not in options:
            yield f"{name}: is in defaults/main.yml, and not in the specification"


def value_drift(name: str, option: Mapping[str, Any], value: object) -> Iterator[str]:
    """Where one option and its value in defaults/main.yml disagree."""
    if option.get("required"):
        yield f"{name}: is required, and has a default in defaults/main.yml"
    yield from type_drift(name, value, option)
    unstated = "default" not in option
    if unstated and not is_template(value) and value is not None:
        yield f"{name}: the default {json.dumps(value)} is not in the specification"
    elif not unstated and not same(option["default"], value):
        stated, actual = json.dumps(option["default"]), json.dumps(value)
        yield f"{name}: the default is {stated} in the specification and {actual} in defaults/main.yml"


def entry_point_drift(role: RoleSpecification) -> Iterator[str]:
    """Where the entry points main and preflight, which take the same variables, disagree."""
    options = {}
    for point in ("main", "preflight"):
        if point not in role.entry_points:
            yield f"the entry point {point} is missing"
        options[point] = (role.entry_points.get(point) or {}).get("options") or {}
    for name in sorted(options["main"].keys() | options["preflight"].keys()):
        if not same(options["main"].get(name), options["preflight"].get(name)):
            yield f"{name}: the entry points main and preflight differ"


def name_drift(role: RoleSpecification) -> Iterator[str]:
    """Names without the role's prefix: they would escape the check for unknown variables."""
    for name in sorted(role.known_names):
        if not name.startswith(role.prefix):
            yield f"{name}: does not begin with {role.prefix}"
    for name, fact in role.published_facts.items():
        for key in ("type", "description"):
            if not fact.get(key):
                yield f"{name}: the published fact has no {key}"


def uncommented_defaults(text: str) -> Iterator[str]:
    """Variables in the text of a defaults/main.yml that have no comment directly above."""
    previous = ""
    for line in text.splitlines():
        name = re.match(r"(\w+)\s*:", line)
        if name and not re.match(r"#.*\w", previous):
            yield f"{name[1]}: has no comment above it in defaults/main.yml"
        previous = line


def role_drift(directory: Path) -> list[str]:
    """Every disagreement within one role, one line each."""
    role = load_role(directory)
    findings = [*defaults_drift(role), *entry_point_drift(role), *name_drift(role)]
    for point in role.entry_points.values():
        for name, option in (point.get("options") or {}).items():
            findings += option_drift(name, option)
    defaults = directory / "defaults" / "main.yml"
    findings += uncommented_defaults(defaults.read_text(encoding="utf-8")) if defaults.is_file() else []
    return [f"{role.name}: {finding}" for finding in dict.fromkeys(findings)]


# ---------------------------------------------------------------- the document

PREFACE = """\
<!-- Made from roles/*/meta/argument_specs.yml: edit those, then run tools/specification.py --write. -->
# Variables

Every variable, role by role, and what the roles publish for others to read. A variable whose name begins like these and
that is not here is refused, with the closest known name in the message, so a typing error cannot pass as a setting.
"""


def plain(text: str) -> str:
    """Ansible's documentation markup as Markdown."""
    text = re.sub(r"\b[COVIE]\(([^)]*)\)", r"`\1`", text)
    text = re.sub(r"\bB\(([^)]*)\)", r"**\1**", text)
    text = re.sub(r"\bL\(([^,)]*),\s*([^)]*)\)", r"[\1](\2)", text)
    return re.sub(r"\bU\(([^)]*)\)", r"<\1>", text)


def paragraphs(description: str | list[str] | None) -> list[str]:
    """A description as a list of Markdown paragraphs."""
    items = [description] if isinstance(description, str) else description or []
    return [plain(" ".join(item.split())) for item in items]


def is_plain_text(value: object) -> bool:
    """Whether a value is a string which YAML reads as one without quotes."""
    try:
        return isinstance(value, str) and (is_template(value) or isinstance(yaml_load(value), str))
    except YAMLError:
        return False


def code(value: object) -> str:
    """A value as inline code, written as in YAML: with quotes where it would be a number otherwise."""
    if is_plain_text(value):
        return f"`{' '.join(str(value).split())}`"
    return f"`{json.dumps(value, ensure_ascii=False)}`"


def kind(option: Mapping[str, Any]) -> str:
    """The type in words, e.g. ``list of str``."""
    declared = str(option.get("type", "str"))
    return f"{declared} of {option.get('elements', 'raw')}" if declared == "list" else declared


def default(option: Mapping[str, Any], value: object = None) -> str:
    """The default in words; `value` is what defaults/main.yml says."""
    if option.get("required"):
        return "required"
    shown = option.get("default") if value is None else value
    return "not set" if shown is None else code(shown)


def remarks(option: Mapping[str, Any]) -> list[str]:
    """What stands beside the description: choices, an example, since when."""
    result = []
    if option.get("choices"):
        result.append("One of " + ", ".join(code(choice) for choice in option["choices"]) + ".")
    if "example" in option:
        result.append(f"Example: {code(option['example'])}.")
    if option.get("version_added"):
        result.append(f"Since {option['version_added']}.")
    return result


def cell(text: str) -> str:
    """Text that cannot end a table's cell."""
    return text.replace("|", "\\|")


def nested_rows(options: Options, parent: str = "") -> Iterator[str]:
    """Table rows for nested options, by dotted path."""
    for name, option in options.items():
        meaning = " ".join(paragraphs(option.get("description")) + remarks(option))
        columns = (f"`{parent}{name}`", kind(option), default(option), meaning)
        yield "| " + " | ".join(map(cell, columns)) + " |"
        suffix = "[]." if option.get("type") == "list" else "."
        yield from nested_rows(option.get("options") or {}, f"{parent}{name}{suffix}")


def variable_section(name: str, option: Mapping[str, Any], value: object) -> list[str]:
    """The lines on one variable."""
    what = default(option, value)
    lines = [
        f"### `{name}`",
        "",
        f"{kind(option)}, {what if what in ('required', 'not set') else 'default ' + what}",
        "",
    ]
    for paragraph in paragraphs(option.get("description")) + remarks(option):
        lines += [paragraph, ""]
    if option.get("options"):
        each = "Keys of each entry" if option.get("type") == "list" else "Keys"
        lines += [f"{each}:", "", "| Key | Type | Default | Meaning |", "|---|---|---|---|"]
        lines += [*nested_rows(option["options"]), ""]
    return lines


def role_section(role: RoleSpecification) -> list[str]:
    """The lines on one role."""
    main = role.entry_points.get("main") or {}
    lines = [f"## `{COLLECTION}.{role.name}`", ""]
    for paragraph in paragraphs(main.get("short_description")) + paragraphs(main.get("description")):
        lines += [paragraph, ""]
    if main.get("version_added"):
        lines += [f"Since {main['version_added']}, where a variable does not say otherwise.", ""]
    for name, option in (main.get("options") or {}).items():
        lines += variable_section(name, option, role.defaults.get(name))
    if role.published_facts:
        lines += ["### Published facts", "", "Set by the role, for others to read.", ""]
        lines += ["| Name | Type | Meaning |", "|---|---|---|"]
        for name, fact in role.published_facts.items():
            columns = (f"`{name}`", str(fact.get("type")), " ".join(paragraphs(fact.get("description"))))
            lines.append("| " + " | ".join(map(cell, columns)) + " |")
        lines.append("")
    return lines


def document(roles: list[RoleSpecification]) -> str:
    """The text of docs/variables.md."""
    contents = [f"- [{COLLECTION}.{role.name}](#{f'{COLLECTION}{role.name}'.replace('.', '')})" for role in roles]
    lines = [*PREFACE.splitlines(), "", *contents, ""]
    for role in roles:
        lines += role_section(role)
    return "\n".join(lines).rstrip() + "\n"


# ---------------------------------------------------------------- the command


def files(root: Path) -> Iterator[tuple[Path, str]]:
    """docs/variables.md for the roles under this root."""
    yield DOCUMENT, document([load_role(root / "roles" / name) for name in ROLES])


def drift(root: Path) -> Iterator[str]:
    """Every disagreement of the roles, one line each."""
    for name in ROLES:
        yield from role_drift(root / "roles" / name)


MADE = Generated(Path(__file__).name, "roles/*/meta/argument_specs.yml", files, drift)

if __name__ == "__main__":
    sys.exit(MADE.main(__doc__))
