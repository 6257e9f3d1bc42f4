# SPDX-License-Identifier: Apache-2.0
"""Who may ask the private listener. Runs on the control node."""

from __future__ import annotations

from collections.abc import Mapping

from ansible_collections.modwsgi.deploy.plugins.module_utils.httpd.status import KEY_HEADER


def requirement(instance: Mapping[str, str]) -> str:
    """A line for httpd that lets only root ask, by the key of module_utils/httpd/status.py.

    The key is in a file, since what httpd reads of its configuration is in the memory of all daemon processes. Who is
    in a container can be no other application.
    """
    if not instance["unit"]:
        return "Require local"
    given = f"%{{HTTP:{KEY_HEADER}}}"
    file = f"file('{instance['status_directory']}/key')"
    return f'Require expr "{given} =~ /^[0-9a-f]{{64}}$/ && {given} == {file}"'
