# SPDX-License-Identifier: Apache-2.0
"""Each kind of drift between specification, defaults and docs/variables.md is found, and agreement is left in peace."""

from __future__ import annotations

import copy
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml
from support.scripts import load_script

tool = load_script("tools/specification.py")

OPTIONS: dict[str, Any] = {
    "httpd_listen": {"type": "list", "elements": "raw", "default": [80], "description": "Where httpd listens."},
    "httpd_threads": {"type": "int", "default": 16, "description": ["Threads.", "See C(ThreadsPerChild)."]},
    "httpd_level": {"type": "str", "default": "warn", "choices": ["warn", "info"], "description": "Log level."},
    "httpd_address": {"type": "str", "description": "Computed."},
    "httpd_admin": {"type": "str", "required": False, "description": "Optional | mail address."},
    "httpd_sites": {
        "type": "list",
        "elements": "dict",
        "default": [],
        "description": "Sites.",
        "options": {
            "name": {"type": "str", "required": True, "description": "Name."},
            "port": {"type": "int", "default": 80, "description": "TCP port."},
        },
    },
}
DEFAULTS: dict[str, Any] = {
    "httpd_listen": [80],
    "httpd_threads": 16,
    "httpd_level": "warn",
    "httpd_address": "{{ inventory_hostname }}",
    "httpd_sites": [],
}

Repository = Callable[..., Path]


@pytest.fixture(name="repository")
def fixture_repository(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Repository:
    """Make a repository with the one role httpd, in agreement but for the arguments."""
    monkeypatch.setattr(tool, "ROLES", ("httpd",))

    def make(options: Any = OPTIONS, defaults: Any = DEFAULTS, preflight: Any = None, text: str | None = None) -> Path:
        role = tmp_path / "roles" / "httpd"
        (role / "meta").mkdir(parents=True)
        (role / "defaults").mkdir()
        points = {"main": {"options": options}, "preflight": {"options": options if preflight is None else preflight}}
        (role / "meta" / "argument_specs.yml").write_text(yaml.safe_dump({"argument_specs": points}))
        commented = "---\n" + "".join(f"# Meaning.\n{yaml.safe_dump({key: defaults[key]})}" for key in defaults)
        (role / "defaults" / "main.yml").write_text(commented if text is None else text)
        return tmp_path

    return make


def changed(source: dict[str, Any], path: str, value: Any) -> dict[str, Any]:
    """A deep copy with the value at a dotted path set, or removed when it is `...`."""
    result = copy.deepcopy(source)
    *parents, last = path.split(".")
    target = result
    for parent in parents:
        target = target[parent]
    if value is ...:
        del target[last]
    else:
        target[last] = value
    return result


def drift(root: Path) -> list[str]:
    return tool.role_drift(root / "roles" / "httpd")


def test_agreement_is_silent(repository: Repository) -> None:
    assert drift(repository()) == []


@pytest.mark.parametrize(
    ("path", "value", "finding"),
    [
        ("httpd_threads", ..., "httpd_threads: the specification has a default, defaults/main.yml has none"),
        ("httpd_extra", 1, "httpd_extra: is in defaults/main.yml, and not in the specification"),
        ("httpd_threads", 32, "httpd_threads: the default is 16 in the specification and 32 in defaults/main.yml"),
        ("httpd_threads", 16.0, "httpd_threads: the default is of type float, declared is int"),
        ("httpd_threads", "16", "httpd_threads: the default is of type str, declared is int"),
        ("httpd_threads", True, "httpd_threads: the default is of type bool, declared is int"),
        ("httpd_level", "debug", "httpd_level: the default 'debug' is none of the choices"),
        (
            "httpd_sites",
            [{"name": "a", "port": "80"}],
            "httpd_sites[0].port: the default is of type str, declared is int",
        ),
        ("httpd_sites", [{"port": 80}], "httpd_sites[0].name: required, and missing in the default"),
        (
            "httpd_sites",
            [{"name": "a", "prot": 80}],
            "httpd_sites[0].prot: the default has a key which is not declared",
        ),
        ("httpd_sites", ["a"], "httpd_sites[0]: the default is of type str, declared is dict"),
    ],
)
def test_drift_in_defaults_is_found(repository: Repository, path: str, value: Any, finding: str) -> None:
    assert f"httpd: {finding}" in drift(repository(defaults=changed(DEFAULTS, path, value)))


@pytest.mark.parametrize(
    ("path", "value", "finding"),
    [
        ("httpd_threads.default", ..., "httpd_threads: the default 16 is not in the specification"),
        ("httpd_admin.required", ..., "httpd_admin: has no default in defaults/main.yml"),
        ("httpd_listen.required", True, "httpd_listen: is required, and has a default in defaults/main.yml"),
        ("httpd_listen.required", True, "httpd_listen: is required, so its default is never used"),
        ("httpd_listen.elements", ..., "httpd_listen: is a list, and does not declare its elements"),
        ("httpd_listen.type", ..., "httpd_listen: has no type"),
        ("httpd_listen.description", "", "httpd_listen: has no description"),
        ("httpd_sites.options.port.default", "80", "httpd_sites.port: the default is of type str, declared is int"),
        ("httpd_sites.options.port.description", ..., "httpd_sites.port: has no description"),
        ("listen", {"type": "str", "required": True, "description": "x"}, "listen: does not begin with httpd_"),
    ],
)
def test_drift_in_the_specification_is_found(repository: Repository, path: str, value: Any, finding: str) -> None:
    findings = drift(repository(options=changed(OPTIONS, path, value)))
    assert any(line.startswith(f"httpd: {finding}") for line in findings), findings


def test_differing_entry_points_are_found(repository: Repository) -> None:
    findings = drift(repository(preflight=changed(OPTIONS, "httpd_threads.default", 17)))
    assert findings == ["httpd: httpd_threads: the entry points main and preflight differ"]


@pytest.mark.parametrize("point", ["main", "preflight"])
def test_a_missing_entry_point_is_found(repository: Repository, point: str) -> None:
    root = repository()
    path = root / "roles" / "httpd" / "meta" / "argument_specs.yml"
    path.write_text(yaml.safe_dump(changed(yaml.safe_load(path.read_text()), f"argument_specs.{point}", ...)))
    assert f"httpd: the entry point {point} is missing" in drift(root)


def test_a_default_without_comment_is_found(repository: Repository) -> None:
    text = "".join(f"# Meaning.\n{yaml.safe_dump({key: value})}" for key, value in DEFAULTS.items())
    bare = text.replace("# Meaning.\nhttpd_level", "\nhttpd_level")
    assert drift(repository(text=bare)) == ["httpd: httpd_level: has no comment above it in defaults/main.yml"]


def test_an_undescribed_published_fact_is_found(repository: Repository) -> None:
    root = repository()
    facts = {"published_facts": {"httpd_host": {"type": "dict"}}}
    (root / "roles" / "httpd" / "meta" / "published_facts.yml").write_text(yaml.safe_dump(facts))
    assert drift(root) == ["httpd: httpd_host: the published fact has no description"]


def test_the_document_is_checked_and_written(repository: Repository, capsys: pytest.CaptureFixture[str]) -> None:
    root = repository()
    assert tool.MADE.main("", ["--check"], root) == 1
    assert capsys.readouterr().err.startswith(
        "docs/variables.md: is not what roles/*/meta/argument_specs.yml says; run "
    )
    assert tool.MADE.main("", ["--write"], root) == 0
    assert tool.MADE.main("", ["--check"], root) == 0
    document = root / "docs" / "variables.md"
    document.write_text(document.read_text() + "Edited by hand.\n")
    assert tool.MADE.main("", ["--check"], root) == 1


def test_the_document_says_what_a_reader_needs(repository: Repository) -> None:
    ((_, text),) = tool.files(repository())
    for part in (
        "## `modwsgi.deploy.httpd`",
        "### `httpd_listen`\n\nlist of raw, default `[80]`\n\nWhere httpd listens.",
        "Threads.\n\nSee `ThreadsPerChild`.",
        "One of `warn`, `info`.",
        "### `httpd_address`\n\nstr, default `{{ inventory_hostname }}`",
        "### `httpd_admin`\n\nstr, not set",
        "| `name` | str | required | Name. |",
        "| `port` | int | `80` | TCP port. |",
    ):
        assert part in text


@pytest.mark.parametrize(
    ("value", "shown"),
    [
        ("6.1.1", "`6.1.1`"),
        ("3.11", '`"3.11"`'),
        ("", '`""`'),
        ("yes", '`"yes"`'),
        ("*", '`"*"`'),
        ([80], "`[80]`"),
        (False, "`false`"),
    ],
)
def test_values_are_shown_as_yaml_wants_them(value: Any, shown: str) -> None:
    assert tool.code(value) == shown


def test_a_missing_specification_is_one_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert tool.MADE.main("", ["--check"], tmp_path) == 1
    assert "declares no argument_specs" in capsys.readouterr().err
