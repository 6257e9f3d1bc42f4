# SPDX-License-Identifier: Apache-2.0
"""The way back after a failure: files, server, processes, proof, and what was done in words. Runs on the managed host.

One module does all of it, as with the way there: it goes on when the control node is lost.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ansible_collections.modwsgi.deploy.plugins.module_utils.deploy import maintenance
from ansible_collections.modwsgi.deploy.plugins.module_utils.deploy.activate import Activation, ActivationError
from ansible_collections.modwsgi.deploy.plugins.module_utils.deploy.maintenance import PageError
from ansible_collections.modwsgi.deploy.plugins.module_utils.deploy.probe import Proof
from ansible_collections.modwsgi.deploy.plugins.module_utils.httpd import transaction
from ansible_collections.modwsgi.deploy.plugins.module_utils.httpd.control import ControlError
from ansible_collections.modwsgi.deploy.plugins.module_utils.httpd.journal import JournalError

LEFT = "Everything was left as it is, since httpd_rollback is false."


def in_words(error: Exception) -> str:
    """An error that nobody has expected, in words."""
    return f"{type(error).__name__}: {error}"


class GoBack:
    """The way back of one instance. Nothing of it raises: the report tells what could not be done, too."""

    def __init__(self, described: Mapping[str, str], parameters: Mapping[str, Any], check_mode: bool) -> None:
        """``described`` is the instance, ``parameters`` are those of the module wsgi_go_back."""
        self.described = described
        self.parameters = parameters
        self.check_mode = check_mode
        self.done: list[str] = []
        """What was done, in sentences."""
        self.site: dict[str, Any] = {}
        """By what the site that is back is proven; empty when there was none."""
        self.problem = ""
        """Why the way back itself has failed."""
        self.asked = False
        self.healthy = True
        self.unwell: list[str] = []
        """What is not as it was, in sentences."""
        self.warnings: list[str] = []

    def run(self) -> str:
        """Go back; the report: what had failed, what was done about it, and whether what was before serves again."""
        if self.parameters["rollback"]:
            self.roll_back()
            if self.done and self.site:
                self.prove()
        self.end_pages()
        return self.report()

    def roll_back(self) -> None:
        """Files and server are those of before."""
        try:
            journal = transaction.journal_of(self.described)
            if journal.open and not self.check_mode:
                self.done = transaction.go_back(self.described)
            self.site = self.asked_of(journal.proven())
        except (ControlError, JournalError) as error:
            self.problem = str(error)
        except OSError as error:
            self.problem = transaction.failure(error)
        except Exception as error:  # whatever it is, the reason of the failure before must not be lost to it
            self.problem = f"The way back has failed ({in_words(error)}); run the play again."

    def asked_of(self, site: dict[str, Any]) -> dict[str, Any]:
        """Of what was proven last, that which this run may have changed; all of it but with ``only``."""
        if not self.parameters["only"]:
            return site
        names = {each["name"] for each in self.parameters["applications"]}
        applications = [each for each in site.get("applications", []) if each["name"] in names]
        return {**site, "applications": applications} if applications else {}

    def prove(self) -> None:
        """Daemon processes run the previous releases, and the previous site is asked."""
        self.asked = True
        try:
            self._prove()
        except Exception as error:  # likewise: a file of an earlier version, an account that is gone
            self.healthy = False
            self.unwell.append(f"It could not be asked ({in_words(error)}).")

    def _prove(self) -> None:
        applications = self.site["applications"]
        activation = Activation(applications, self.described["pid_file"])
        try:
            activation.perform()
        except ActivationError as error:
            self.unwell.append(str(error))
        self.warnings += activation.warnings()
        proof = Proof(applications, self.site)
        self.healthy = not proof.problem
        self.unwell += [] if self.healthy else [proof.problem]

    def end_pages(self) -> None:
        """Maintenance pages end. When the site that serves now is not well, visitors go on to see them instead."""
        stays_unproven = self.parameters["unproven"] and not self.parameters["rollback"]
        deployed = self.parameters["applications"]
        if self.problem or not self.healthy or stays_unproven or not any(each["maintenance"] for each in deployed):
            return
        applications = self.site.get("applications") or deployed
        try:
            maintenance.switch_all(applications, {}, self.check_mode)
        except PageError as error:
            self.asked = True
            self.unwell.append(str(error))

    def report(self) -> str:
        """The text for the user."""
        reason = self.parameters["reason"].rstrip() or "A task has failed; see above."
        if not self.parameters["rollback"]:
            return f"{reason}\n{LEFT}"
        if self.problem:
            return f"{reason}\n{self.problem}"
        if not self.done:
            return reason
        proof = ["The previous site was asked, and answers."] if self.asked else []
        if self.unwell:
            proof = [f"It was asked, and is not as it was: {' '.join(self.unwell)}"]
        return "\n".join([reason, " ".join([*self.done, *proof, *self.first()])])

    def first(self) -> list[str]:
        """How to look at applications that were not here before: neither is wsgi-run for them, now."""
        before = {application["name"] for application in self.site.get("applications", [])}
        new = [each["name"] for each in self.parameters["applications"] if each["name"] not in before]
        if not new:
            return []
        return [
            f"Not served before, and not now: {', '.join(new)}; to look at what fails with wsgi-run, run again with "
            "-e httpd_rollback=false."
        ]
