# SPDX-License-Identifier: Apache-2.0
"""Names of httpd's files that would leave their folder are refused."""

from __future__ import annotations

import pytest
from ansible_collections.modwsgi.deploy.plugins.plugin_utils.httpd.base import (
    FileNameError,
    module_files,
    removed_files,
)

BAD_NAMES = ["../../passwd", "a/b", "", "status\n", "a\0b", "-x", "two words"]


@pytest.mark.parametrize("name", BAD_NAMES)
def test_a_name_that_is_no_module_is_refused(name: str) -> None:
    for arguments in (([name], [], []), ([], [name], [])):
        with pytest.raises(FileNameError, match=r"^httpd_modules, .* contains .*; write it like rewrite\.$"):
            module_files(*arguments)


@pytest.mark.parametrize("name", BAD_NAMES)
@pytest.mark.parametrize(("kind", "key"), [("conf", "httpd_removed_configurations"), ("sites", "httpd_removed_sites")])
def test_a_name_that_is_no_file_of_the_distribution_is_refused(name: str, kind: str, key: str) -> None:
    with pytest.raises(FileNameError, match=f"^{key} contains "):
        removed_files([name], kind)


def test_names_of_the_distribution_are_taken() -> None:
    names = ["mpm_event", "000-default", "php8.2", "other-vhosts-access-log"]
    assert [file["path"] for file in removed_files(names, "conf")] == [f"conf-enabled/{name}.conf" for name in names]
    assert {file["path"] for file in module_files(["php8.2"], [], ["php8.2"])} == {
        "mods-enabled/php8.2.load",
        "mods-enabled/php8.2.conf",
    }


def test_a_wanted_module_is_not_removed() -> None:
    files = module_files(["deflate"], ["deflate", "dir"], [])
    assert [file["path"] for file in files if file.get("absent")] == ["mods-enabled/dir.load", "mods-enabled/dir.conf"]
