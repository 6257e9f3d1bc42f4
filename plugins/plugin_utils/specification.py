# SPDX-License-Identifier: Apache-2.0
"""What a role declares about its variables, read from the role's own files.

These files of a role say everything: ``meta/argument_specs.yml`` (options for the user to set),
``defaults/main.yml`` (their values) and ``meta/published_facts.yml`` (facts which the role sets for
others to read; a mapping ``published_facts: {name: {type, description}}``, absent when there are none).
``meta/removed_variables.yml`` names what took the place of earlier options
(``removed_variables: {name: name}``, absent when there are none).

Runs on the control node only.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from ansible.module_utils.common.yaml import yaml_load

COLLECTION = "modwsgi.deploy"

# A role owns every variable that begins with its prefix: its name, save where a sibling name is shorter.
# (wsgi_app also owns the list `wsgi_apps`, so a misspelt `wsgi_aps` has to be found too.)
PREFIXES = {"wsgi_app": "wsgi_"}

# Below this likeness (0 to 1, of the names without their prefix) a suggestion misleads more than it helps.
LIKENESS = 0.5


class SpecificationError(ValueError):
    """A variable, or a role's own declaration, contradicts the specification; the text is for the user."""


@dataclass(frozen=True)
class RoleSpecification:
    """One role's declared interface."""

    name: str
    entry_points: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    defaults: Mapping[str, Any] = field(default_factory=dict)
    published_facts: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    removed_variables: Mapping[str, str] = field(default_factory=dict)

    @property
    def prefix(self) -> str:
        """What each public variable of the role begins with, e.g. ``httpd_``."""
        return PREFIXES.get(self.name, f"{self.name}_")

    @property
    def known_names(self) -> frozenset[str]:
        """Names that may be set for the role, or are set by it."""
        options = {name for entry in self.entry_points.values() for name in entry.get("options") or {}}
        return frozenset(options | set(self.published_facts))


def _load_mapping(path: Path) -> dict[str, Any]:
    """The mapping in a YAML file; empty when the file is absent or empty."""
    if not path.is_file():
        return {}
    content = yaml_load(path.read_text(encoding="utf-8"))
    if content is None:
        return {}
    if not isinstance(content, dict):
        raise SpecificationError(f"{path} must hold a mapping, not {type(content).__name__}; correct the file.")
    return content


def load_role(role_directory: Path) -> RoleSpecification:
    """Read one role's declaration.

    Raises SpecificationError when the role has no argument specification, or a file is not a mapping.
    """
    path = role_directory / "meta" / "argument_specs.yml"
    entry_points = _load_mapping(path).get("argument_specs")
    if not entry_points:
        raise SpecificationError(f"{path} declares no argument_specs; a role of this collection needs them.")
    return RoleSpecification(
        name=role_directory.name,
        entry_points=entry_points,
        defaults=_load_mapping(role_directory / "defaults" / "main.yml"),
        published_facts=_load_mapping(role_directory / "meta" / "published_facts.yml").get("published_facts") or {},
        removed_variables=_load_mapping(role_directory / "meta" / "removed_variables.yml").get("removed_variables")
        or {},
    )


def unknown_names(names: Iterable[str], role: RoleSpecification) -> dict[str, str]:
    """The names that carry the role's prefix and mean nothing to it, each with the name to use instead (or "").

    That is what took the place of a removed option, else the closest known name.
    """
    known = {name[len(role.prefix) :]: name for name in role.known_names if name.startswith(role.prefix)}
    unknown = sorted({name for name in names if name.startswith(role.prefix)} - role.known_names)
    closest = {
        name: difflib.get_close_matches(name[len(role.prefix) :], known, n=1, cutoff=LIKENESS) for name in unknown
    }
    return {
        name: role.removed_variables.get(name) or (known[match[0]] if match else "") for name, match in closest.items()
    }


def describe_unknown(unknown: Mapping[str, str], role: str) -> str:
    """One sentence for the user about the result of unknown_names (which must not be empty)."""
    named = [f"{name} (did you mean {closest}?)" if closest else name for name, closest in unknown.items()]
    listed = " and ".join(filter(None, [", ".join(named[:-1]), named[-1]]))
    subject, verb, pronoun = ("Variable", "is", "it") if len(named) == 1 else ("Variables", "are", "them")
    return (
        f"{subject} {listed} {verb} not known to the role {COLLECTION}.{role}; "
        f"correct the spelling or remove {pronoun} (docs/variables.md lists the known names)."
    )
