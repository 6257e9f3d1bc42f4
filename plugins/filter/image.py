# SPDX-License-Identifier: Apache-2.0
"""Filters of the image build."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from ansible.errors import AnsibleFilterError
from ansible_collections.modwsgi.deploy.plugins.plugin_utils import image_files


def files(installation: Mapping[str, Any]) -> list[dict[str, Any]]:
    """The files of the owner ``image`` for ``httpd_config``."""
    try:
        return image_files.files(installation)
    except ValueError as error:
        raise AnsibleFilterError(str(error)) from error


class FilterModule:
    """What Ansible looks for."""

    def filters(self) -> dict[str, Callable[..., object]]:
        """The filters by name."""
        return {"image_files": files}
