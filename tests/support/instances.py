# SPDX-License-Identifier: Apache-2.0
"""Descriptions of an httpd whose files are below a folder."""

from __future__ import annotations

from pathlib import Path

from ansible_collections.modwsgi.deploy.plugins.module_utils.instance import instance


def below(folder: Path, unit: str = "", **places: str) -> dict[str, str]:
    """An instance whose state, process file and volatile files are in a folder, and further places."""
    inside = {"state_directory": "state", "pid_file": "pid", "volatile_directory": "run", **places}
    return {**instance("apache2"), "unit": unit, **{key: f"{folder}/{place}" for key, place in inside.items()}}
