# SPDX-License-Identifier: Apache-2.0
"""The filters of the role httpd refuse names that would leave their folder."""

from __future__ import annotations

from typing import Any

import pytest
from ansible_collections.modwsgi.deploy.plugins.filter.httpd import return_report
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


@pytest.mark.parametrize(
    ("failed", "returned", "asked", "text"),
    [
        ({"msg": "No."}, {"done": []}, [], "No."),
        ({}, {"done": []}, [], "A task has failed; see above."),
        ({"msg": "No.\n"}, {"done": ["A.", "B."]}, [], "No.\nA. B."),
        (
            {"msg": "No."},
            {"done": ["A."]},
            [{"skipped": True}, {"changed": False}],
            "No.\nA. The previous site was asked, and answers.",
        ),
        ({"msg": "No."}, {"done": ["A."]}, [{"skipped": True}], "No.\nA."),
        (
            {"msg": "No."},
            {"done": ["A."]},
            [{"msg": "Old ones stay."}, {"msg": "500."}],
            "No.\nA. It was asked, and is not as it was: Old ones stay. 500.",
        ),
        ({"msg": "No."}, {"msg": "Not served: full."}, [], "No.\nNot served: full."),
        (
            {"msg": "No."},
            {"skipped": True},
            [],
            "No.\nEverything was left as it is, since httpd_rollback is false.",
        ),
    ],
)
def test_a_report_tells_the_reason_and_what_was_done(
    failed: dict[str, Any], returned: dict[str, Any], asked: list[dict[str, Any]], text: str
) -> None:
    assert return_report(failed, returned, asked) == text
