# SPDX-License-Identifier: Apache-2.0
"""A misspelt variable is refused with a sentence that helps."""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml
from ansible_collections.modwsgi.deploy.plugins.plugin_utils.specification import (
    RoleSpecification,
    SpecificationError,
    describe_unknown,
    load_role,
    unknown_names,
)
from support.scripts import ROOT


@pytest.fixture(name="roles")
def fixture_roles(tmp_path: Path) -> Path:
    """A folder with the roles `httpd` (one fact published, one option of another entry point) and `wsgi_app`."""
    write_role(
        tmp_path / "httpd",
        {
            "main": {"options": {"httpd_listen": {"type": "list"}, "httpd_modules": {"type": "list"}}},
            "debug": {"options": {"httpd_debug": {"type": "bool"}}},
        },
        facts={"httpd_host": {"type": "dict", "description": "What was found."}},
    )
    write_role(tmp_path / "wsgi_app", {"main": {"options": {"wsgi_apps": {}, "wsgi_app_root": {}}}})
    return tmp_path


def unknown_variables(names: list[str], role: str, roles_directory: Path) -> list[str]:
    """The sentence about those of these that the role does not know."""
    unknown = unknown_names(names, load_role(roles_directory / role))
    return [describe_unknown(unknown, role)] if unknown else []


def write_role(directory: Path, entry_points: dict, facts: dict | None = None) -> None:
    (directory / "meta").mkdir(parents=True)
    (directory / "meta" / "argument_specs.yml").write_text(yaml.safe_dump({"argument_specs": entry_points}))
    if facts is not None:
        (directory / "meta" / "published_facts.yml").write_text(yaml.safe_dump({"published_facts": facts}))


def test_known_names_of_every_entry_point_and_published_facts_pass(roles: Path) -> None:
    names = ["httpd_listen", "httpd_modules", "httpd_debug", "httpd_host"]
    assert unknown_variables(names, role="httpd", roles_directory=roles) == []


def test_other_prefixes_are_none_of_the_role_s_business(roles: Path) -> None:
    assert unknown_variables(["nginx_listen", "__httpd_lisen", "my_httpd_x"], role="httpd", roles_directory=roles) == []


@pytest.mark.parametrize(
    ("role", "names", "beginning"),
    [
        (
            "httpd",
            ["httpd_listen", "httpd_lisen"],
            "Variable httpd_lisen (did you mean httpd_listen?) is not known to the role modwsgi.deploy.httpd; ",
        ),
        (
            "httpd",
            ["httpd_zzz", "httpd_module", "httpd_hosts"],
            "Variables httpd_hosts (did you mean httpd_host?), httpd_module (did you mean httpd_modules?) and ",
        ),
        (
            "wsgi_app",
            ["wsgi_aps", "wsgi_apps"],
            "Variable wsgi_aps (did you mean wsgi_apps?) is not known to the role modwsgi.deploy.wsgi_app; ",
        ),
    ],
)
def test_unknown_names_are_refused_in_one_sentence(roles: Path, role: str, names: list[str], beginning: str) -> None:
    (sentence,) = unknown_variables(names, role=role, roles_directory=roles)
    assert sentence.startswith(beginning)
    assert sentence.endswith("(docs/variables.md lists the known names).")


def test_the_shared_prefix_alone_makes_no_likeness() -> None:
    role = RoleSpecification("mod_wsgi", {"main": {"options": {"mod_wsgi_python": {}}}})
    assert unknown_names(["mod_wsgi_xyz"], role) == {"mod_wsgi_xyz": ""}


def test_a_role_without_specification_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(SpecificationError, match=r"ghost/meta/argument_specs.yml declares no argument_specs"):
        load_role(tmp_path / "ghost")


def test_a_role_without_specification_is_named(tmp_path: Path) -> None:
    with pytest.raises(SpecificationError, match="declares no argument_specs"):
        load_role(tmp_path / "ghost")


def test_a_declaration_that_is_not_a_mapping_is_an_error(roles: Path) -> None:
    (roles / "httpd" / "meta" / "published_facts.yml").write_text("- httpd_host\n")
    with pytest.raises(SpecificationError, match=r"published_facts.yml must hold a mapping, not list"):
        load_role(roles / "httpd")


def test_a_removed_variable_is_answered_with_what_took_its_place() -> None:
    role = RoleSpecification(
        "httpd",
        {"main": {"options": {"httpd_stop_timeout": {}, "httpd_timeout": {}}}},
        removed_variables={"httpd_graceful_timeout": "httpd_stop_timeout"},
    )
    assert unknown_names(["httpd_graceful_timeout"], role) == {"httpd_graceful_timeout": "httpd_stop_timeout"}


def test_what_took_the_place_of_a_removed_variable_of_ours_exists() -> None:
    for role in map(load_role, sorted((ROOT / "roles").iterdir())):
        assert set(role.removed_variables.values()) <= role.known_names
        assert not set(role.removed_variables) & role.known_names
