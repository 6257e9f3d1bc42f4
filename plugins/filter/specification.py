# SPDX-License-Identifier: Apache-2.0
"""Filters about the roles' argument specifications."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from functools import cache
from pathlib import Path

from ansible.errors import AnsibleFilterError
from ansible_collections.modwsgi.deploy.plugins.module_utils.specification import (
    RoleSpecification,
    SpecificationError,
    describe_unknown,
    load_role,
    unknown_names,
)

# resolve(): in a plain clone the collection is a folder of links, and each leads to the same roles.
ROLES = Path(__file__).resolve().parents[2] / "roles"


@cache
def _role(role_directory: Path) -> RoleSpecification:
    return load_role(role_directory)


def unknown_variables(names: Iterable[str], role: str, roles_directory: str | Path = ROLES) -> list[str]:
    """Find variables that carry the role's prefix and that the role does not know.

    Ansible itself checks the spelling of nested options only, so ``httpd_lisen: [80]`` would be ignored silently.

    Returns one sentence that names each unknown variable, the closest known one and the role; nothing when all are
    known. It is returned, not raised, since Ansible would put three clauses of its own before it.
    Raises AnsibleFilterError when the role has no specification.
    """
    try:
        unknown = unknown_names(names, _role(Path(roles_directory) / role))
    except SpecificationError as error:
        raise AnsibleFilterError(str(error)) from error
    return [describe_unknown(unknown, role)] if unknown else []


class FilterModule:
    """What Ansible looks for."""

    def filters(self) -> dict[str, Callable[..., object]]:
        """The filters by name."""
        return {"unknown_variables": unknown_variables}
