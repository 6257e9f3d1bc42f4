# SPDX-License-Identifier: Apache-2.0
"""The table of what can be wrong: real lines find their diagnosis, and no other, and what it names is there."""

from __future__ import annotations

import re
from typing import Any

import pytest
import yaml
from ansible_collections.modwsgi.deploy.plugins.module_utils.deploy.diagnoses import BY_NAME, PATTERNS, TABLE, Diagnosis
from support.log_lines import LINES
from support.scripts import ROOT

from tools.proof import slugs

SPECIFICATIONS = [ROOT / f"roles/{role}/meta/argument_specs.yml" for role in ("httpd", "mod_wsgi", "wsgi_app")]
ROLE_PREFIXES = ("httpd_", "mod_wsgi_", "wsgi_")


def keys(options: dict[str, Any], parent: str = "") -> set[str]:
    """All keys of a specification, with a dot between key and key."""
    found = set()
    for name, option in options.items():
        found |= {parent + name} | keys(option.get("options") or {}, f"{parent}{name}.")
    return found


@pytest.fixture(name="inventory", scope="module")
def fixture_inventory() -> set[str]:
    specifications = [yaml.safe_load(file.read_text(encoding="utf-8")) for file in SPECIFICATIONS]
    found = set().union(*(keys(each["argument_specs"]["main"]["options"]) for each in specifications))
    return found | {f"wsgi_apps.{name}" for name in ("name",)}


def test_names_are_unique() -> None:
    assert len(BY_NAME) == len(TABLE)


@pytest.mark.parametrize(("name", "source", "line"), LINES)
def test_a_line_is_found_by_its_diagnosis_and_by_no_other(name: str, source: str, line: str) -> None:
    found = {
        other
        for other, pattern in PATTERNS.items()
        if pattern.search(line) and BY_NAME[other].kernel == (source == "kernel")
    }
    # The end of a process that mod_wsgi has aborted is both: what it is, and what may explain a lost request.
    allowed = {"ended"} if name == "stuck-shutdown" else set()
    assert found - allowed == {name} - allowed


@pytest.mark.parametrize("diagnosis", TABLE, ids=lambda each: each.name)
def test_a_pattern_has_a_line_that_proves_it(diagnosis: Diagnosis) -> None:
    assert bool(diagnosis.pattern) == (diagnosis.name in {name for name, *_ in LINES})
    assert bool(diagnosis.says) == bool(diagnosis.pattern) or diagnosis.name == "respawning"


@pytest.mark.parametrize("diagnosis", TABLE, ids=lambda each: each.name)
def test_what_a_diagnosis_names_is_there(diagnosis: Diagnosis, inventory: set[str]) -> None:
    assert set(diagnosis.settings) <= inventory
    assert set(diagnosis.because) <= set(BY_NAME)
    page, _, anchor = diagnosis.link.partition("#")
    assert anchor in slugs((ROOT / "docs" / page).read_text(encoding="utf-8"))


@pytest.mark.parametrize("diagnosis", TABLE, ids=lambda each: each.name)
def test_settings_and_text_name_the_same_keys(diagnosis: Diagnosis, inventory: set[str]) -> None:
    text = f"{diagnosis.visitors} {diagnosis.cause} {diagnosis.remedy}"
    code = {word.partition(":")[0] for word in re.findall(r"`([^`]+)`", text)}
    named = {word for word in code if word in inventory or f"wsgi_apps.{word}" in inventory}
    assert {key.removeprefix("wsgi_apps.") for key in diagnosis.settings} <= named
    unknown = {word for word in code if re.fullmatch(r"[a-z_]+(?:\.[a-z_]+)?", word)} - named
    assert not {word for word in unknown if word.startswith(ROLE_PREFIXES) or "_" in word} - {"proxy_ssl_server_name"}


@pytest.mark.parametrize("diagnosis", TABLE, ids=lambda each: each.name)
def test_a_diagnosis_says_what_is_wrong_why_and_what_to_do(diagnosis: Diagnosis) -> None:
    assert diagnosis.title
    assert not diagnosis.title.endswith(".")
    assert diagnosis.cause.endswith(".")
    assert diagnosis.remedy.endswith(".")
    texts = (diagnosis.title, diagnosis.cause, diagnosis.remedy, diagnosis.visitors)
    assert all(text.isascii() for text in texts), "a terminal of a host may have no UTF-8"


def test_reasons_lead_nowhere_in_a_circle() -> None:
    def walk(name: str, path: tuple[str, ...]) -> None:
        assert name not in path, (*path, name)
        for reason in BY_NAME[name].because:
            walk(reason, (*path, name))

    for diagnosis in TABLE:
        walk(diagnosis.name, ())


@pytest.mark.parametrize("line", ["[" * 8000, "\\" * 8000, "RuntimeError: The script " * 300, "Process '" * 900])
def test_no_line_holds_the_search_up(line: str) -> None:
    """Not by seconds: with a pattern that goes back again and again, each of these would take minutes."""
    assert not [name for name, pattern in PATTERNS.items() if pattern.search(line)]
