# SPDX-License-Identifier: Apache-2.0
"""The return to the previous configuration: the files by the journal, the server by the weakest action that does."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ansible_collections.modwsgi.deploy.plugins.module_utils.deploy import daemon
from ansible_collections.modwsgi.deploy.plugins.module_utils.deploy.record import read_record, write_record
from ansible_collections.modwsgi.deploy.plugins.module_utils.httpd import foreign_answers, pending
from ansible_collections.modwsgi.deploy.plugins.module_utils.httpd import journal as httpd_journal
from ansible_collections.modwsgi.deploy.plugins.module_utils.httpd.control import (
    ControlError,
    Manager,
    Service,
    manager_of,
)
from ansible_collections.modwsgi.deploy.plugins.module_utils.httpd.journal import Journal, locked
from ansible_collections.modwsgi.deploy.plugins.module_utils.httpd.processes import httpd_main_process

Instance = Mapping[str, str]

STARTED_AGAIN = "httpd had ended, and was started again."


def journal_of(instance: Instance) -> Journal:
    """The journal of an instance."""
    return Journal(instance["state_directory"])


def begin(instance: Instance) -> None:
    """Open the journal before the first change, unless an earlier step has: what a return would have to reach."""
    journal = journal_of(instance)
    if journal.open:
        return
    main = httpd_main_process(instance)
    journal.begin(
        process=list(main) if main else None,
        pending=pending.read(instance),
        reaps=manager_of(instance).reaps() if instance["unit"] else False,
    )


def forget_unless_steps(instance: Instance) -> None:
    """Close a journal whose only step has failed, which was undone: nothing has changed."""
    journal = journal_of(instance)
    if journal.open and not journal.steps():
        pending.restore(instance, journal.header()["pending"])
        journal.close()


def recover(instance: Instance) -> list[str]:
    """Put right what a run has left that was cut off; what was done, in words. Needs the lock.

    Steps that are complete stay: the run that is under way finishes and proves them.
    """
    journal = journal_of(instance)
    if not journal.interrupted:
        return []
    if journal.open and (journal.of_earlier_boot or journal.marked(httpd_journal.RETURNING)):
        return roll_back(instance)
    journal.settle()
    return ["A change that an earlier run had begun is undone."]


def commit(instance: Instance, site: Mapping[str, Any] | None) -> None:
    """Let the change stay; ``site`` is by what a later return is proven. Does nothing when none is open.

    Raises JournalError, WorseAnswerError when a site of others answers worse than before, OSError.
    """
    journal = journal_of(instance)
    if not journal.open:
        return
    with locked(instance["state_directory"]):
        foreign_answers.prove(answers_before(journal))
        journal.commit(site)


def answers_before(journal: Journal) -> list[dict[str, Any]]:
    """What sites of others answered before the change."""
    answers: list[dict[str, Any]] = journal.note(foreign_answers.MARK).get("answers", [])
    return answers


def failure(error: OSError) -> str:
    """One sentence about an error that kept a transaction from its end."""
    return f"The transaction cannot be ended: {error}; correct that and run the play again."


def go_back(instance: Instance) -> list[str]:
    """Bring back what was before, with the lock; what was done and how sites of others answer, in sentences.

    Raises ControlError, JournalError and OSError.
    """
    with locked(instance["state_directory"]):
        before = answers_before(journal_of(instance))
        return roll_back(instance) + foreign_answers.told(before)


def roll_back(instance: Instance, manager: Manager | None = None) -> list[str]:
    """Bring back files and server; what was done, in words. Needs the lock. A second call continues a first one.

    Raises ControlError when httpd does not start on the previous configuration.
    """
    journal = journal_of(instance)
    if not journal.open:
        return []
    manager = manager or manager_of(instance)
    header = journal.header()
    if instance["unit"] and manager.reaps() and not header["reaps"]:
        manager.reap(False)  # while its unit is there
    journal.undo_all()
    done = ["The previous configuration is back on the disk."]
    if instance["unit"] and manager.watches() and not manager.should_watch():
        manager.watch(False)  # while systemd knows its unit
    if instance["unit"] and manager.stale():
        manager.refresh()
    try:
        done.append(_serve_again(Service(instance, manager), journal))
        if instance["unit"] and header["reaps"] and not manager.reaps():
            manager.reap(True)
        if instance["unit"] and manager.should_watch() and not manager.watches():
            manager.watch(True)
    except ControlError as error:
        raise ControlError(f"The previous configuration is back on the disk, but not served: {error}") from error
    journal.close()
    return done


def _serve_again(service: Service, journal: Journal) -> str:
    """Let the server serve what is on the disk; what was done, in words."""
    header, returned = journal.header(), journal.returning()
    main = service.main()
    if header["process"] is None:
        if main is None:
            return "httpd did not run before, and does not run."
        service.stop()
        return "httpd, which did not run before, is stopped."
    if main is None:
        service.start()
        return STARTED_AGAIN
    if list(main) == header["process"] and not journal.marked(httpd_journal.ACTED):
        pending.restore(service.instance, header["pending"])
        _note_daemon_processes(main.pid, returned["notes"])
        return "httpd had not read the new one, and was left alone."
    if returned["action"] == pending.RESTART:
        service.restart()
        return "httpd was restarted."
    if returned["action"] == pending.RELOAD:
        service.reload()
        # Another process, and nothing here has asked for one: it ended, and the service manager has been faster. What
        # that has read is not known, so it reads again.
        return "httpd was reloaded." if list(main) == header["process"] else STARTED_AGAIN
    _note_daemon_processes(main.pid, returned["notes"])
    return "httpd itself needed nothing."


def _note_daemon_processes(parent: int, notes: list[dict[str, Any]]) -> None:
    """Let an activation replace the processes of the applications whose release has come back.

    Of two colours those of the one that has what has failed: the other one has gone on to serve. Processes that are
    older than the change run what has come back.
    """
    for application in (each for note in notes for each in note.get("applications", [])):
        record = read_record(application["record"])
        uid = daemon.account(application["user"])
        if record and uid is not None:
            running = daemon.processes(parent, application["name"], uid, application.get("kinds", daemon.KINDS))
            stay = daemon.staying(application, record)
            stale = [list(each) for each in running if list(each) not in stay]
            write_record(application["record"], {**record, "stale_processes": stale})
