# SPDX-License-Identifier: Apache-2.0
"""Filters of the role httpd; others use them too."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any

from ansible.errors import AnsibleFilterError
from ansible_collections.modwsgi.deploy.plugins.module_utils import instance as httpd_instance
from ansible_collections.modwsgi.deploy.plugins.plugin_utils.httpd import quoting


def instance(name: str) -> dict[str, str]:
    """The description of an httpd instance."""
    try:
        return httpd_instance.instance(name)
    except httpd_instance.UnknownInstanceError as error:
        raise AnsibleFilterError(str(error)) from error


def quote(value: object, key: str = "") -> str:
    """One argument of an httpd directive."""
    try:
        return quoting.quote(value, key)
    except quoting.QuotingError as error:
        raise AnsibleFilterError(str(error)) from error


def return_report(
    failed: Mapping[str, Any], returned: Mapping[str, Any], asked: Iterable[Mapping[str, Any]] = ()
) -> str:
    """What has failed, what was done about it, and whether what was before serves again: results of tasks, as text."""
    reason = str(failed.get("msg") or "A task has failed; see above.").rstrip()
    if returned.get("skipped"):
        return f"{reason}\nEverything was left as it is, since httpd_rollback is false."
    if returned.get("msg"):  # the return itself has failed
        return f"{reason}\n{returned['msg']}"
    if not returned.get("done"):
        return reason
    answers = [answer for answer in asked if not answer.get("skipped")]
    problems = [str(answer["msg"]) for answer in answers if answer.get("msg")]
    if problems:
        proof = [f"It was asked, and is not as it was: {' '.join(problems)}"]
    else:
        proof = ["The previous site was asked, and answers."] if answers else []
    return "\n".join([reason, " ".join([*returned["done"], *proof])])


class FilterModule:
    """What Ansible looks for."""

    def filters(self) -> dict[str, Callable[..., object]]:
        """The filters by name."""
        return {
            "httpd_instance": instance,
            "httpd_quote": quote,
            "httpd_return_report": return_report,
        }
