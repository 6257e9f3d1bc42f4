# SPDX-License-Identifier: Apache-2.0
"""Start, stop, reload and restart httpd, and wait until it is done.

With systemd as the service manager its unit is used; elsewhere the init script (a clean environment, and it starts at
boot where a boot runs init scripts), and signals through the distribution's control program.
"""

from __future__ import annotations

import subprocess
import time
from collections.abc import Callable, Mapping
from pathlib import Path

from ansible_collections.modwsgi.deploy.plugins.module_utils.httpd import apparmor, pending
from ansible_collections.modwsgi.deploy.plugins.module_utils.httpd.processes import (
    Process,
    httpd_main_process,
    process,
    runs,
    serving,
)

SYSTEMD, SYSVINIT, NO_MANAGER = "systemd", "sysvinit", "none"

# A start that takes longer is stuck: httpd forks its children before it reports success.
START_SECONDS = 60
# Bounded by the unit's TimeoutStopSec; this is only the limit beyond it.
STOP_SECONDS = 600
# A reload is answered by new children within a second; a busy host may take longer.
RELOAD_SECONDS = 60
POLL_SECONDS = 0.05
REASON_LINES = 12
ENVIRONMENT = {"LANG": "C", "PATH": "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"}
"""As the init script has it. Applications inherit what httpd is started with, so nothing of the caller's is in it."""


class ControlError(Exception):
    """The server is not in the wanted state; the text is for the user."""


class Result:
    """What a command did."""

    def __init__(self, status: int, output: str) -> None:
        """``output`` has both streams."""
        self.status = status
        self.output = output


Run = Callable[[list[str], float], Result]


def run_command(command: list[str], seconds: float) -> Result:
    """Run a command without a shell. Raises ControlError when it does not end in time or does not exist."""
    try:
        done = subprocess.run(
            command,
            env=ENVIRONMENT,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            timeout=seconds,
            check=False,
        )
    except subprocess.TimeoutExpired:
        raise ControlError(f"{' '.join(command)} did not end within {seconds:.0f} s; look at the service.") from None
    except OSError as error:
        raise ControlError(
            f"{command[0]} cannot be run ({error}); install the web server first (role httpd)."
        ) from None
    return Result(done.returncode, done.stdout.decode(errors="replace"))


def wait_until(condition: Callable[[], bool], seconds: float) -> bool:
    """Poll a condition until it holds; False when the time is over."""
    deadline = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > deadline:
            return False
        time.sleep(POLL_SECONDS)
    return True


def service_manager() -> str:
    """Who manages services on this host: ``systemd``, ``sysvinit`` or ``none`` (a container, a chroot)."""
    if Path("/run/systemd/system").is_dir():
        return SYSTEMD
    try:
        first = Path("/proc/1/comm").read_text(encoding="utf-8").strip()
    except OSError:
        return NO_MANAGER
    return SYSVINIT if first == "init" else NO_MANAGER


class Manager:
    """Without systemd: init script and signals."""

    def __init__(self, instance: Mapping[str, str], run: Run = run_command) -> None:
        """``run`` runs a command."""
        self.instance = instance
        self.run = run

    def installed(self) -> bool:
        """Whether there is anything to start."""
        return Path(self.instance["control"]).exists()

    def stale(self) -> bool:
        """Whether the manager has an old definition of the service."""
        return False

    def refresh(self) -> None:
        """Read the definition of the service again."""

    def enabled(self) -> bool:
        """Whether the service starts at boot."""
        return any(Path("/etc").glob(f"rc[2-5].d/S??{self.instance['name']}"))

    def enable(self, wanted: bool) -> None:
        """Let the service start at boot, or not."""
        verb = "enable" if wanted else "disable"
        self._do(["update-rc.d", self.instance["name"], "defaults"], START_SECONDS)
        self._do(["update-rc.d", self.instance["name"], verb], START_SECONDS)

    def start(self) -> None:
        """Start it; returns when the parent process is there."""
        script = self.instance["init_script"]
        starter = script if Path(script).exists() else self.instance["control"]
        self._do([starter, "start"], START_SECONDS)

    def stop(self) -> None:
        """Stop it gracefully; returns when it is gone."""
        main = httpd_main_process(self.instance)
        if main is None:
            return
        self._do([self.instance["control"], "graceful-stop"], START_SECONDS)
        if not wait_until(lambda: process(main.pid) != main, STOP_SECONDS):
            raise ControlError(
                f"httpd (pid {main.pid}) still runs {STOP_SECONDS} s after it was told to stop; "
                f"see {self.instance['error_log']}."
            )

    def reload(self) -> None:
        """Tell it to read its configuration again."""
        self._do([self.instance["control"], "graceful"], RELOAD_SECONDS)

    def restart(self) -> None:
        """Stop it gracefully and start it."""
        self.stop()
        self.start()

    def reaps(self) -> bool:
        """Whether the service that ends stuck children is on."""
        return False

    def reap(self, wanted: bool) -> None:
        """Turn that service on or off. Raises ControlError where there can be none."""
        if wanted:
            raise ControlError(
                "httpd_reap_stuck_children needs systemd as the service manager of the host; set it to false."
            )

    def should_watch(self) -> bool:
        """Whether somebody is to look for certificates that httpd has got itself: the timer for it is installed."""
        return False

    def watches(self) -> bool:
        """Whether that timer runs."""
        return False

    def watch(self, wanted: bool) -> None:
        """Start that timer or stop it; where there are no timers, a certificate waits for the next reload."""

    def reason(self, since: float) -> str:
        """What the manager knows about a failure, by the time (seconds since 1970) when the action began."""
        del since
        return ""

    def _do(self, command: list[str], seconds: float) -> None:
        result = self.run(command, seconds)
        if result.status != 0:
            raise ControlError(result.output.strip() or f"{' '.join(command)} ended with status {result.status}")


class SystemdManager(Manager):
    """With systemd."""

    def _property(self, name: str, unit: str = "") -> str:
        command = ["systemctl", "show", "--value", f"--property={name}", unit or self.instance["unit"]]
        return self.run(command, START_SECONDS).output.strip()

    def installed(self) -> bool:
        """Whether the unit exists."""
        return self._property("LoadState") == "loaded"

    def stale(self) -> bool:
        """Whether the unit's files are newer than what systemd has read."""
        # systemd itself does not notice the first file in a new drop-in directory.
        files = {str(file) for file in Path(self.instance["unit_drop_in_directory"]).glob("*.conf")}
        known = set(self._property("DropInPaths").split())
        kinds = ("unit", "reaper_unit", "renewals_service", "renewals_timer", "limits_service")
        units = [self.instance[key] for key in kinds]
        # All at once: each question is a program of its own, also in a run without a change.
        command = ["systemctl", "show", "--value", "--property=NeedDaemonReload", *units]
        return "yes" in self.run(command, START_SECONDS).output.split() or not files <= known

    def refresh(self) -> None:
        """Let systemd read the units again."""
        self._do(["systemctl", "daemon-reload"], START_SECONDS)
        # httpd's start brings it along. Here it takes up what is new, or ends with its file; where systemd does not
        # know it, that is an error without meaning.
        unit = self.instance["limits_service"]
        verb = "try-restart" if Path(self.instance["unit_directory"], unit).exists() else "stop"
        self.run(["systemctl", verb, unit], START_SECONDS)
        self._profile()

    def _profile(self) -> None:
        """Let the kernel have the AppArmor profile as its file is now, or forget it with its file.

        What runs under it has the new rules at once. A profile that the kernel does not know yet waits for the next
        start of httpd, which loads it; else a reload would run under it and httpd would not.
        """
        file, profile = self.instance["apparmor_file"], self.instance["apparmor_profile"]
        if not Path(file).exists():
            apparmor.forget(profile)
        elif apparmor.knows(profile):
            self._do([apparmor.PARSER, "--replace", "--write-cache", file], START_SECONDS)

    def enabled(self) -> bool:
        """Whether the unit starts at boot."""
        return self._property("UnitFileState") == "enabled"

    def enable(self, wanted: bool) -> None:
        """Let the unit start at boot, or not."""
        self._do(["systemctl", "enable" if wanted else "disable", self.instance["unit"]], START_SECONDS)

    def start(self) -> None:
        """Start the unit, also when systemd has given up on it."""
        self._do(["systemctl", "reset-failed", self.instance["unit"]], START_SECONDS)
        self._do(["systemctl", "start", self.instance["unit"]], START_SECONDS)

    def stop(self) -> None:
        """Stop the unit; the drop-in says how."""
        self._do(["systemctl", "stop", self.instance["unit"]], STOP_SECONDS)

    def reload(self) -> None:
        """Reload the unit."""
        self._do(["systemctl", "reload", self.instance["unit"]], RELOAD_SECONDS)

    def restart(self) -> None:
        """Restart the unit."""
        self._do(["systemctl", "restart", self.instance["unit"]], STOP_SECONDS + START_SECONDS)

    def reaps(self) -> bool:
        """Whether the service that ends stuck children is on, now and with each start of httpd."""
        unit = self.instance["reaper_unit"]
        if self._property("UnitFileState", unit) != "enabled":
            return False
        # It stops and starts with httpd.
        return self._property("ActiveState", unit) == "active" or httpd_main_process(self.instance) is None

    def reap(self, wanted: bool) -> None:
        """Turn that service on or off."""
        unit = self.instance["reaper_unit"]
        self._do(["systemctl", "enable" if wanted else "disable", unit], START_SECONDS)
        if httpd_main_process(self.instance) or not wanted:
            self._do(["systemctl", "restart" if wanted else "stop", unit], START_SECONDS)

    def should_watch(self) -> bool:
        """Whether the timer's file is there; its link among the timers of a boot comes and goes with it."""
        return Path(self.instance["unit_directory"], self.instance["renewals_timer"]).exists()

    def watches(self) -> bool:
        """Whether the timer runs, or has failed since its file has gone."""
        state = self._property("ActiveState", self.instance["renewals_timer"])
        return state == "active" or (state == "failed" and not self.should_watch())

    def watch(self, wanted: bool) -> None:
        """Start the timer or stop it, also after its file has gone."""
        timer = self.instance["renewals_timer"]
        self._do(["systemctl", "start" if wanted else "stop", timer], START_SECONDS)
        if not wanted:  # a timer that has not failed is forgotten already, which is an error here
            self.run(["systemctl", "reset-failed", timer], START_SECONDS)

    def reason(self, since: float) -> str:
        """What the journal has about the unit since then."""
        command = ["journalctl", "--quiet", "--no-pager", "--output=cat", f"--unit={self.instance['unit']}"]
        result = self.run([*command, f"--since=@{int(since)}"], START_SECONDS)
        return result.output if result.status == 0 else ""


def manager_of(instance: Mapping[str, str]) -> Manager:
    """Who manages the instance on this host."""
    return SystemdManager(instance) if service_manager() == SYSTEMD else Manager(instance)


class Service:
    """One instance's service; every method returns only when the state is reached, or raises ControlError."""

    def __init__(self, instance: Mapping[str, str], manager: Manager) -> None:
        """``manager`` does the single steps."""
        self.instance = instance
        self.manager = manager

    def main(self) -> Process | None:
        """The running parent process."""
        return httpd_main_process(self.instance)

    def start(self) -> None:
        """Start it and wait until it accepts connections."""
        self._attempt("start", self.manager.start, frozenset())
        pending.clear(self.instance)

    def restart(self) -> None:
        """Stop it gracefully, start it again, and wait until it accepts connections."""
        self._attempt("restart", self.manager.restart, frozenset())
        pending.clear(self.instance)

    def reload(self) -> None:
        """Let it read its configuration, and wait until only children with the new one accept connections."""
        main = self.main()
        before = serving(main).children if main else frozenset()
        self._attempt("reload", self.manager.reload, before)
        pending.clear(self.instance)

    def stop(self) -> None:
        """Stop it gracefully and wait until its processes are gone."""
        self.manager.stop()
        if not wait_until(lambda: self.main() is None, START_SECONDS):
            raise ControlError(f"httpd still runs after its stop; see {self.instance['error_log']}.")
        pending.clear(self.instance)

    def apply(self) -> str:
        """Do the pending action; starts a server that does not run. Returns what was done."""
        if self.main() is None:
            self.start()
            return "start"
        action = pending.read(self.instance)
        if action == pending.RESTART:
            self.restart()
        elif action == pending.RELOAD:
            self.reload()
        return action

    def _attempt(self, name: str, step: Callable[[], None], before: frozenset[Process]) -> None:
        began = time.time()
        offset = self._log_size()
        try:
            step()
            said = ""
            # The pid file comes a moment after the start has returned, so only a missing process means failure.
            settled = wait_until(lambda: self._serves(before) or not runs(self.instance), RELOAD_SECONDS)
            served = settled and runs(self.instance)
        except ControlError as error:
            said, served = str(error), False
        if not served:
            reason = self._reason(said, began, offset)
            raise ControlError(f"httpd did not {name}: {reason}; correct that and run the play again.")

    def _serves(self, before: frozenset[Process]) -> bool:
        """Whether connections are accepted, and by none of the earlier children (which httpd tells first)."""
        main = self.main()
        if main is None:
            return False
        now, exact = serving(main)
        return bool(now - before) and not (exact and now & before)

    def _log_size(self) -> int:
        try:
            return Path(self.instance["error_log"]).stat().st_size
        except OSError:
            return 0

    def _reason(self, said: str, began: float, offset: int) -> str:
        """The lines of journal and error log which the attempt has left, or what the command itself said."""
        try:
            with Path(self.instance["error_log"]).open("rb") as log:
                log.seek(offset)
                logged = log.read().decode(errors="replace")
        except OSError:
            logged = ""
        unit, found = self.instance["unit"], f"{self.manager.reason(began)}\n{logged}"
        lines = relevant_lines(found, unit) or relevant_lines(said, unit, all_lines=True)
        return " | ".join(lines) or f"nothing was logged, see {self.instance['error_log']}"


# What says only that something failed, not why.
_NOISE = (
    "Starting ",
    "Started ",
    "Stopping ",
    "Stopped ",
    "Failed to start",
    "Reloading ",
    "Reloaded ",
    "Reload failed",
    "Action '",
    "The Apache error log may have more",
    "AH00015: Unable to open logs",
    "no listening sockets available, shutting down",
    "See ",
    "Job for ",
    'Use "systemctl',
)


def relevant_lines(text: str, unit: str, all_lines: bool = False) -> list[str]:
    """The lines that tell a reason, each once, the last ones when there are many; not what systemd says of the unit."""
    lines = list(dict.fromkeys(line.strip() for line in text.splitlines() if line.strip()))
    telling = [line for line in lines if not line.startswith(_NOISE) and not (unit and f"{unit}: " in line)]
    return (lines if all_lines and not telling else telling)[-REASON_LINES:]
