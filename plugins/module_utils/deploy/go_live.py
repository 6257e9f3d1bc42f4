# SPDX-License-Identifier: Apache-2.0
"""A deployment that is ready goes live: files, links, server, processes, proof. Runs on the managed host.

One module does all of it, since each module costs a second of its own, and so that a control node which is lost in the
middle of it stops nothing half-way.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from ansible_collections.modwsgi.deploy.plugins.module_utils.deploy import activate as wsgi_activation
from ansible_collections.modwsgi.deploy.plugins.module_utils.deploy import colours, maintenance
from ansible_collections.modwsgi.deploy.plugins.module_utils.deploy.activate import Activation, ActivationError
from ansible_collections.modwsgi.deploy.plugins.module_utils.deploy.maintenance import PageError
from ansible_collections.modwsgi.deploy.plugins.module_utils.deploy.probe import Findings, Proof
from ansible_collections.modwsgi.deploy.plugins.module_utils.deploy.record import decode_environments
from ansible_collections.modwsgi.deploy.plugins.module_utils.deploy.switch import Switch, Switching
from ansible_collections.modwsgi.deploy.plugins.module_utils.httpd import config, pending, transaction
from ansible_collections.modwsgi.deploy.plugins.module_utils.httpd import service as httpd_service
from ansible_collections.modwsgi.deploy.plugins.module_utils.httpd.control import ControlError, Service, manager_of
from ansible_collections.modwsgi.deploy.plugins.module_utils.httpd.file_sets.model import TransactionError, checked_sets
from ansible_collections.modwsgi.deploy.plugins.module_utils.httpd.foreign_answers import WorseAnswerError
from ansible_collections.modwsgi.deploy.plugins.module_utils.httpd.journal import Edit, JournalError, locked

if TYPE_CHECKING:
    from ansible_collections.modwsgi.deploy.plugins.module_utils.deploy.first_look import FirstLook
    from ansible_collections.modwsgi.deploy.plugins.module_utils.deploy.only import Only
    from ansible_collections.modwsgi.deploy.plugins.module_utils.deploy.partial import PartialReturn
    from ansible_collections.modwsgi.deploy.plugins.module_utils.deploy.standby import StandBy

OWNER = "wsgi_app"
REPLACING = frozenset({"start", "reload", "restart"})
"""What httpd does that replaces all daemon processes."""
UNSEEN = "No visitor was answered by it: the release that has served goes on to serve."


class GoLiveError(Exception):
    """The deployment is not live, or not proven; the text is for the user."""

    def __init__(self, text: str, log_lines: Mapping[str, list[str]] | None = None) -> None:
        """``log_lines`` are what the logs say about it, by application."""
        super().__init__(text)
        self.log_lines = log_lines or {}


class GoLive:
    """One deployment on its way; ``result`` grows with each step, and is what the module returns at the end."""

    def __init__(self, described: Mapping[str, str], parameters: dict[str, Any], check_mode: bool) -> None:
        """``described`` is the instance, ``parameters`` are the module's."""
        self.described = described
        self.parameters = parameters
        self.applications: list[dict[str, Any]] = parameters["applications"]
        self.check_mode = check_mode
        self.result: dict[str, Any] = {"changed": False, "unproven": False, "diff": []}
        self.warnings: list[str] = []
        self.to_activate = False
        self.due: list[Switch] = []
        """Applications whose release is switched."""
        self.only: Only | None = None
        """What the run leaves as it is, when it is for some applications alone."""
        self.stopped: dict[str, tuple[str, list[str]]] = {}
        """Applications of which the first new processes are not well, so that the others have stayed."""
        self.failed: set[str] = set()
        """Applications whose previous release is back, while the change of others stays."""
        self.failure: GoLiveError | None = None
        """What is told of these at the end."""
        self.reason = ""
        """What was wrong with these, in sentences."""
        if parameters["only"]:
            # Here, since reading this code would cost the other runs.
            from ansible_collections.modwsgi.deploy.plugins.module_utils.deploy.only import Only  # noqa: PLC0415

            proven = transaction.journal_of(described).proven()
            self.only = Only(self.applications, parameters["others"], proven, described)

    def run(self) -> None:
        """Go all steps. Raises GoLiveError where one fails; those after it are not gone.

        At the end, it is raised for applications that alone have gone back.

        A change that is held (``hold``) waits for the turn of the host, and nothing of it is done.
        """
        if self.parameters.get("hold") and self.waits():
            return
        try:
            self.change()
        except GoLiveError as error:
            if self.failure is None:
                raise
            raise self.also(error, self.reason) from error
        self.show_applications()
        if self.parameters["manage_service"] and self.to_activate:
            self.remove_superfluous()
        if self.failure:
            self.result["unproven"] = False
            raise self.failure

    def change(self) -> None:
        """From the first file to the proof. Raises GoLiveError."""
        self.put_files_live()
        self.switch()
        if self.parameters["manage_service"]:
            self.serve()
            self.activate()
            self.prove()
            self.remember()
        self.commit()

    def waits(self) -> bool:
        """Whether there is something to change; ``held`` in the result, and whether the host serves somebody.

        A host that is away from its load balancer has to come back, so it waits for its turn as well. It serves nobody.
        """
        ahead = GoLive(self.described, self.parameters, check_mode=True)
        ahead.put_files_live()
        ahead.switch()
        found = ahead.result
        if not (found["changed"] or found["unproven"] or ahead.to_activate or self.is_away):
            return False
        serving = not self.is_away and bool(transaction.journal_of(self.described).proven())
        self.result |= {"held": True, "serving": serving, "stays": serving and ahead.is_tried_by_visitors()}
        return True

    @property
    def is_away(self) -> bool:
        """Whether the host is away from its load balancer."""
        return os.path.exists(self.described["away_file"])

    def is_tried_by_visitors(self) -> bool:
        """Whether all that a run changes are releases that a share of the requests tries first (``canary``).

        Such a switch loses no request, and away from its load balancer the host has none. In check mode. Raises
        GoLiveError.
        """
        if self.result["changes"] or not self.due or not self.parameters["manage_service"]:
            return False
        if not all(switch.can_stand_by() and switch.is_tried() for switch in self.due):
            return False
        try:
            service = Service(self.described, manager_of(self.described))
            return not transaction.journal_of(self.described).open and not REPLACING & set(self.needed(service))
        except (ControlError, JournalError) as error:
            raise GoLiveError(str(error)) from error

    def files(self) -> list[dict[str, Any]]:
        """The complete set of files of the applications."""
        parameters = self.parameters
        given: list[dict[str, Any]] = parameters["files"]
        return given + config.sensitive(parameters["sensitive_files"], self.described["group"])

    def put_files_live(self) -> None:
        """The configuration of server, module and applications; httpd itself has tested it."""
        parameters = self.parameters
        sets = {**checked_sets(parameters["together_with"]), OWNER: self.files()}
        try:
            for application in filter(colours.has, [] if self.check_mode else self.applications):
                colours.ensure_active_file(application)
            found = config.run(self.described, sets, parameters["foreign"], self.check_mode, self.only)
        except (TransactionError, JournalError, ControlError) as error:
            raise GoLiveError(str(error)) from error
        except OSError as error:
            raise GoLiveError(config.failure(error)) from error
        self.warnings += found["noticeable"]
        self.note(found["changed"], found["unproven"], found["diff"], changes=found["changes"])

    def switch(self) -> None:
        """The new releases are the current ones.

        After the files: when httpd refuses those, the releases in use stay the current ones.
        """
        try:
            environments = decode_environments(self.parameters["environments"])
            switching = Switching(self.applications, environments, self.parameters, self.described)
            diff = switching.diff()
            if not self.check_mode:
                self.stand_by(switching)
                switching.perform()
            is_open = transaction.journal_of(self.described).open
        except (ValueError, OSError, ControlError, JournalError) as error:
            raise GoLiveError(f"The switch to the new release failed, and nothing was switched: {error}.") from error
        self.to_activate, self.due = switching.activation, switching.due
        switched = {name: parts for name, parts in switching.changes.items() if parts and name not in self.failed}
        self.note(bool(switched), bool(switched) or is_open, diff, switched=switched)

    def stand_by(self, switching: Switching) -> None:
        """The new releases are loaded and well where nobody sees them. Raises GoLiveError, and what a switch raises."""
        if not self.parameters["manage_service"] or not any(map(colours.has, self.applications)):
            return
        # Reading this code would cost the other runs.
        from ansible_collections.modwsgi.deploy.plugins.module_utils.deploy.standby import StandBy  # noqa: PLC0415

        beside = StandBy(switching.due, self.described)
        if beside.switches:
            self.replace_all_first(beside, switching)
        # Again, when some have gone back: httpd may have replaced the processes of all.
        while beside.switches and not self.are_well_beside(beside, switching):
            pass
        if beside.switches:
            beside.are_ready()
            self.note(True, unproven=True, tried=beside.told)

    def are_well_beside(self, beside: StandBy, switching: Switching) -> bool:
        """Whether the releases are well where nobody sees them, and where a share of the requests tries them.

        Those that are not have gone back, and are taken out of ``beside`` and ``switching``. Raises as ``stand_by``
        does.
        """
        activation = beside.load()
        self.note(True, unproven=True)
        self.let_go(activation)
        found: Findings = beside.prove(self.parameters["site"])
        unseen = not beside.canaries
        if not found.problem:
            found, unseen = self.tried(beside), False
        if not found.problem:
            return True
        left = [switch for switch in beside.switches if switch.application["name"] not in found.problems]
        more_follows = any(switch.application["name"] not in found.problems for switch in switching.due)
        if not self.keeps_the_good(found, unseen, more_follows):
            raise GoLiveError(f"{found.problem}\n{UNSEEN}" if unseen else found.problem, found.lines)
        beside.keep(left)
        switching.leave(found.problems)
        return False

    def tried(self, beside: StandBy) -> Findings:
        """What visitors find wrong with the new releases that they try first. Raises what `StandBy.tried` raises."""
        if self.parameters.get("refused"):  # nobody waits with a way back by command
            return Findings({}, {})
        if self.is_away:  # where no visitor comes
            self.warnings += beside.untried()
            return Findings({}, {})
        return beside.tried()

    def replace_all_first(self, beside: StandBy, switching: Switching) -> None:
        """httpd does what replaces the processes of all releases, before one of them is asked beside another.

        What cannot be asked so is switched before, so its processes are replaced once. Raises as ``stand_by`` does.
        """
        steps = REPLACING & set(self.needed(Service(self.described, manager_of(self.described))))
        if not steps:
            return
        if "start" in steps:  # nobody is served: what has served before need not be
            beside.keep([])
            return
        proven = transaction.journal_of(self.described).proven()
        beside.leave_what_does_not_fit(proven, self.parameters["site"])
        if not beside.switches:
            return
        switching.perform(later=beside.switches)
        beside.expect_successors()
        self.note(True, unproven=True)
        self.serve()
        self.let_go(Activation(beside.applications, self.described["pid_file"]))

    def let_go(self, activation: Activation) -> None:
        """Processes go, and their successors are there. Raises GoLiveError."""
        try:
            activation.perform()
        except ActivationError as error:
            raise GoLiveError(str(error)) from error
        finally:
            self.warnings += activation.warnings()

    def needed(self, service: Service) -> list[str]:
        """What httpd has to do. Raises ControlError."""
        return httpd_service.needed(service, "applied", True, self.parameters["reap_stuck_children"])

    def serve(self) -> None:
        """httpd serves the configuration, now and after a boot."""
        try:
            service = Service(self.described, manager_of(self.described))
            steps = self.needed(service)
            for step in [] if self.check_mode else steps:
                httpd_service.perform(service, step)
        except ControlError as error:
            raise GoLiveError(str(error)) from error
        self.note(bool(steps), actions=[*self.result.get("actions", []), *steps])

    def activate(self) -> None:
        """The daemon processes run the current releases."""
        if not self.to_activate:
            return
        look = None if self.check_mode else self.first_look
        activation = Activation(self.applications, self.described["pid_file"], look)
        try:
            if not self.check_mode:
                activation.perform()
        except ActivationError as error:
            raise GoLiveError(str(error)) from error
        finally:
            self.warnings += activation.warnings()
        self.stopped = activation.stopped()
        self.note(bool(activation.restarted), restarted=activation.restarted, killed=activation.killed())

    def first_look(self, application: dict[str, Any]) -> FirstLook:
        """What asks the first new processes of an application."""
        # Reading this code would cost the other runs.
        from ansible_collections.modwsgi.deploy.plugins.module_utils.deploy.first_look import FirstLook  # noqa: PLC0415

        return FirstLook(application, self.parameters["site"])

    def prove(self) -> None:
        """The applications run on the right Python, and are healthy. In check mode nobody is asked."""
        asked = [] if self.check_mode else [each for each in self.applications if each["name"] not in self.stopped]
        proof = Proof(asked, self.parameters["site"])
        if self.stopped:
            proof.add(self.stopped)
        self.note(False, applications=proof.results, awaited_certificates=proof.awaited)
        if proof.problem and not self.keeps_the_good(proof):
            raise GoLiveError(proof.problem, proof.lines)

    def remember(self) -> None:
        """What a command on the host goes back by is there, as a step of the change that is proven."""
        try:
            journal = transaction.journal_of(self.described)
            if self.check_mode or not journal.open:
                return
            with locked(self.described["state_directory"]):
                edits = self.records()
                if edits:
                    journal.apply(edits, pending.NONE)
        except (ValueError, OSError, JournalError) as error:
            raise GoLiveError(
                f"The releases cannot be recorded: {error}; correct that and run the play again."
            ) from error

    def records(self) -> list[Edit]:
        """What writes the records of the releases, and the code of the command that reads them."""
        # Not before there is something to record: reading this code would cost a run that changes nothing.
        from ansible_collections.modwsgi.deploy.plugins.module_utils.deploy import (  # noqa: PLC0415
            host_code,
            released,
        )

        environments = decode_environments(self.parameters["environments"])
        records = released.Records(self.parameters, environments, self.files(), self.described)
        proven = [each for each in self.parameters["applications"] if each["name"] not in self.failed]
        edits = [*records.edits(proven, self.result["switched"])]
        # A way back by the command itself runs on that code.
        return edits if self.parameters.get("refused") else [*edits, *host_code.edits()]

    def keeps_the_good(self, proof: Findings, unseen: bool = False, more_follows: bool = False) -> bool:
        """Bring back those alone that are not well, where the change of the others can stay; whether it stays.

        ``unseen``: no visitor was answered by them; ``more_follows``: others are not switched yet. Raises GoLiveError
        when that fails, so that all goes back.
        """
        parameters = self.parameters
        if parameters["all_or_nothing"] or not parameters["rollback"] or len(proof.problems) == len(self.applications):
            return False
        from ansible_collections.modwsgi.deploy.plugins.module_utils.deploy.partial import (  # noqa: PLC0415
            PartialReturn,
        )

        way = PartialReturn(self.described, self.applications, proof.problems, self.failed)
        if not way.is_possible(more_follows):
            return False
        stay = [*self.gone_back(way, proof), *way.unchanged]
        self.failed |= way.names
        self.applications = [each for each in self.applications if each["name"] not in way.names] + stay
        self.parameters = {**parameters, "site": {**parameters["site"], "applications": self.applications}}
        self.result["switched"] = {
            name: parts for name, parts in self.result.get("switched", {}).items() if name not in self.failed
        }
        self.failure = self.also(GoLiveError(f"{proof.problem}\n{way.told(unseen)}", proof.lines))
        self.reason = "\n".join(filter(None, (self.reason, proof.problem)))
        return True

    def also(self, error: GoLiveError, before: str | None = None) -> GoLiveError:
        """A failure, after what was told before of those that have gone back alone; ``before`` is told in its place."""
        if self.failure is None:
            return error
        lines = {**self.failure.log_lines, **error.log_lines}
        return GoLiveError(f"{self.failure if before is None else before}\n{error}", lines)

    def gone_back(self, way: PartialReturn, proof: Findings) -> list[dict[str, Any]]:
        """The applications that were not well, as they serve again. Raises GoLiveError when they do not."""
        previous = list(way.previous.values())
        try:
            way.go_back()
            self.serve()
            Activation(previous, self.described["pid_file"]).perform()
            problem = Proof(previous, way.proven).problem
        except (ActivationError, ControlError, GoLiveError, JournalError, OSError) as error:
            problem = str(error)
        if problem:
            text = f"{proof.problem}\nThe previous release alone does not serve either: {problem}"
            raise GoLiveError(text, proof.lines)
        return previous

    def commit(self) -> None:
        """The change is proven, and stays."""
        try:
            is_open = transaction.journal_of(self.described).open
            if is_open and not self.check_mode:
                site = self.parameters["site"]
                transaction.commit(self.described, self.only.proving(site) if self.only else site)
        except (ControlError, JournalError, WorseAnswerError) as error:
            raise GoLiveError(str(error)) from error
        except OSError as error:
            raise GoLiveError(transaction.failure(error)) from error
        self.note(is_open)

    def show_applications(self) -> None:
        """Visitors see the applications again.

        Not earlier: when a new release is not healthy, they go on to see the page instead of its errors.
        """
        if not self.parameters["maintenance"]:
            return
        try:
            _, changed = maintenance.switch_all(self.applications, {}, self.check_mode)
        except PageError as error:
            raise GoLiveError(str(error)) from error
        self.note(changed)

    def remove_superfluous(self) -> None:
        """Releases that nobody will go back to are gone."""
        keep = self.parameters["keep_releases"]
        # What has failed stays beside the current release, as after any way back: the next run need not build it.
        applications = [each for each in self.applications if each["name"] not in self.failed]
        removed = wsgi_activation.remove_superfluous(applications, keep, self.check_mode)
        if not self.check_mode:
            from ansible_collections.modwsgi.deploy.plugins.module_utils.deploy import released  # noqa: PLC0415

            released.forget(applications)
        self.note(bool(removed), removed=removed)

    def note(
        self, changed: bool, unproven: bool = False, diff: list[dict[str, Any]] | None = None, **found: Any
    ) -> None:
        """Add to the result what a step has found."""
        self.result["changed"] = self.result["changed"] or changed
        self.result["unproven"] = self.result["unproven"] or unproven
        self.result["diff"] += diff or []
        self.result.update(found)
