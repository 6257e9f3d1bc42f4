# SPDX-License-Identifier: Apache-2.0
"""The variables of the roles, checked against their argument specifications, with their types. On the control node."""

from __future__ import annotations

import copy
from collections.abc import Iterable, Mapping
from functools import cache
from typing import Any

from ansible.module_utils.common.arg_spec import ArgumentSpecValidator
from ansible_collections.modwsgi.deploy.plugins.plugin_utils.rendering import ROLES
from ansible_collections.modwsgi.deploy.plugins.plugin_utils.specification import (
    RoleSpecification,
    describe_unknown,
    load_role,
    unknown_names,
)

MAIN = "main"
"""The entry point that declares all variables of a role."""


class SettingsError(ValueError):
    """Variables that a role does not take; the text is for the user."""


@cache
def specification(role: str) -> RoleSpecification:
    """What a role declares."""
    return load_role(ROLES / role)


def options(role: str) -> Mapping[str, Any]:
    """The variables of a role, by name, as its argument specification describes them."""
    found: Mapping[str, Any] = specification(role).entry_points[MAIN]["options"]
    return found


def unknown(role: str, names: Iterable[str]) -> list[str]:
    """A sentence about variables that carry the role's prefix and that it does not know; nothing when it knows all.

    Ansible itself checks the spelling of nested options only, so ``httpd_lisen: [80]`` would be ignored silently.
    """
    found = unknown_names(names, specification(role))
    return [describe_unknown(found, role)] if found else []


def checked(role: str, values: Mapping[str, Any]) -> dict[str, Any]:
    """The variables of a role with their types and defaults, from those that are set.

    A mapping whose keys are declared, or a list of such, is as it was set: where they are read it is decided what they
    are by default.

    Raises SettingsError with a sentence for each that cannot be what the specification says.
    """
    declared = options(role)
    given = {name: value for name, value in values.items() if name in declared}
    # A copy, since Ansible puts the options of a mapping into the default itself.
    result = ArgumentSpecValidator(copy.deepcopy(dict(declared))).validate(given, validate_role_argument_spec=True)
    if result.error_messages:
        raise SettingsError(f"Validation of arguments failed:\n{chr(10).join(result.error_messages)}")
    found: dict[str, Any] = result.validated_parameters
    return {name: _set(given, declared, name) if "options" in declared[name] else found[name] for name in declared}


def _set(given: Mapping[str, Any], declared: Mapping[str, Any], name: str) -> Any:
    return given[name] if name in given else copy.deepcopy(declared[name].get("default"))
