# SPDX-License-Identifier: Apache-2.0
"""Programs that need our modules' code get it under its own names, as a package beside them. On the control node.

``module_utils`` are the same files for a module, which Ansible sends, and for a program, which stays on a host or runs
in a container.
"""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import PurePosixPath

from ansible_collections.modwsgi.deploy.plugins.plugin_utils.rendering import host_program

PACKAGE = "ansible_collections/modwsgi/deploy/plugins/module_utils"


def host_package(names: Iterable[str]) -> dict[str, str]:
    """The text of each file of the package, by its path; ``names`` are paths below ``module_utils``.

    Whole packages, which Python takes before others of these names that come later on its path.
    """
    paths = {name: PurePosixPath(PACKAGE, name) for name in names}
    levels = {str(level) for path in paths.values() for level in path.parents if level.name}
    return {
        **{f"{level}/__init__.py": "" for level in sorted(levels)},
        **{str(path): host_program(name) for name, path in paths.items()},
    }
