# SPDX-License-Identifier: Apache-2.0
"""The Docker engine: the one that is there, or one that the lab starts and stops itself."""

from __future__ import annotations

import os
import signal
import subprocess
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from tools.laboratory import machine
from tools.laboratory.console import Console, LabError
from tools.laboratory.process import last_words, run, runs, start_time
from tools.laboratory.state import Lab

_START_TIMEOUT = 60.0  # seconds until a started engine answers
_STOP_TIMEOUT = 60.0  # seconds until a stopped engine is gone
_POLL_INTERVAL = 0.2  # seconds
_PACKAGES = ("docker.io", "iptables")
_ADVICE = (
    "install Docker (Debian's package is `docker.io`) and let this user use it, or run this as root on Debian or Ubuntu"
)


@dataclass(frozen=True)
class Daemon:
    """Where a dockerd keeps things: the system's own by default, another one for tests of the lab."""

    runtime: Path = Path("/var/run")
    arguments: tuple[str, ...] = ()
    #: Socket that clients are pointed to; empty for what they use by themselves.
    socket: str = ""

    @property
    def pid_files(self) -> dict[Path, str]:
        """The files with process numbers that a killed daemon leaves, and the name of the process each means."""
        return {
            self.runtime / "docker.pid": "dockerd",
            self.runtime / "docker/containerd/containerd.pid": "containerd",
        }


SYSTEM = Daemon()


def answers(daemon: Daemon = SYSTEM) -> bool:
    """Whether an engine answers the `docker` command."""
    return _ask(daemon).returncode == 0


def _ask(daemon: Daemon) -> subprocess.CompletedProcess[str]:
    environment = {"DOCKER_HOST": daemon.socket} if daemon.socket else None
    return run(["docker", "version", "--format", "{{.Server.Version}}"], timeout=20, environment=environment)


def ensure(lab: Lab, console: Console, daemon: Daemon = SYSTEM) -> None:
    """Makes sure that an engine answers.

    Raises:
        LabError: there is none, and none can be set up; the sentence says what to install.
    """
    asked = _ask(daemon)
    if asked.returncode == 0:
        return
    if "permission denied" in asked.stderr.lower() and not machine.is_root():
        raise LabError(
            "This user may not use the Docker engine: add it to the group `docker`, log in again and run this again."
        )
    if os.environ.get("DOCKER_HOST") and not daemon.socket:
        where = os.environ["DOCKER_HOST"]
        raise LabError(
            f"No Docker engine answers at DOCKER_HOST={where} ({last_words(asked.stderr, 1)}): "
            "start it, or unset the variable."
        )
    if not (machine.is_root() and machine.is_debian_family()):
        raise LabError(f"No Docker engine answers here: {_ADVICE}.")
    _set_up(lab, console, daemon)


def _set_up(lab: Lab, console: Console, daemon: Daemon) -> None:
    # From Debian 13 on the command has a package of its own.
    client = ["docker-cli"] if run(["apt-cache", "show", "docker-cli"]).returncode == 0 else []
    machine.install_packages(lab, console, [*_PACKAGES, *client])
    if answers(daemon):  # the package's installation has started it
        lab.remember("engine", {"unit": "docker.service"})
        return
    if machine.has_systemd() and daemon == SYSTEM:
        _start_unit(lab, console)
    else:
        _start_daemon(lab, console, daemon)


def _start_unit(lab: Lab, console: Console) -> None:
    with console.step("Docker engine (systemd unit docker.service)"):
        started = run(["systemctl", "start", "docker.service"])
        if started.returncode != 0 or not answers():
            reason = last_words(started.stderr, 1)
            raise LabError(f"The Docker engine does not start ({reason}): `journalctl -u docker` tells why.")
    lab.remember("engine", {"unit": "docker.service"})


def _start_daemon(lab: Lab, console: Console, daemon: Daemon) -> None:
    with console.step("Docker engine (dockerd, started by the lab)"):
        remove_stale_pid_files(daemon)
        log = lab.directory / "dockerd.log"
        lab.directory.mkdir(exist_ok=True)
        path = f"{os.environ.get('PATH', '')}:/usr/local/sbin:/usr/sbin:/sbin"
        with log.open("w") as output:
            process = subprocess.Popen(
                ["dockerd", *daemon.arguments],
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                start_new_session=True,
                env={**os.environ, "PATH": path},
            )
        _await_answer(process, daemon, log)
    # None when it was another process's start that won: then there is nothing of ours to stop.
    if process.poll() is None:
        lab.remember("engine", {"pid": process.pid, "start_time": start_time(process.pid)})


def _await_answer(process: subprocess.Popen[bytes], daemon: Daemon, log: Path) -> None:
    deadline = time.monotonic() + _START_TIMEOUT
    while not answers(daemon):
        if time.monotonic() > deadline or process.poll() is not None:
            process.terminate()
            said = last_words(log.read_text(encoding="utf-8", errors="replace"), 1)
            raise LabError(f"dockerd does not start on this machine ({said}): its log is {log}.")
        time.sleep(_POLL_INTERVAL)


def remove_stale_pid_files(daemon: Daemon) -> None:
    """Removes what a killed daemon left: it would refuse to start, or wait for a process that is another one by now."""
    for file, name in daemon.pid_files.items():
        try:
            pid = int(file.read_text(encoding="utf-8"))
        except (OSError, ValueError):
            pid = 0
        if not runs(pid, name):
            file.unlink(missing_ok=True)


def stop(lab: Lab, console: Console) -> None:
    """Stops the engine if this lab started it and nothing else uses it."""
    engine = lab.recall("engine")
    if not engine:
        return
    others = docker(["ps", "--all", "--format", "{{.Names}}"]).split()
    if others:
        console.report(f"Docker engine: left running, since it has containers of others ({', '.join(others)})")
        return
    if "unit" in engine:
        run(["systemctl", "stop", "docker.service", "docker.socket"])
    elif start_time(engine["pid"]) == engine["start_time"]:
        _stop_process(engine["pid"], engine["start_time"])
    lab.remember("engine", None)
    console.report("Docker engine: stopped")


def _stop_process(pid: int, started: int) -> None:
    os.kill(pid, signal.SIGTERM)
    deadline = time.monotonic() + _STOP_TIMEOUT
    while start_time(pid) == started:
        if time.monotonic() > deadline:
            raise LabError(
                f"dockerd (process {pid}) does not stop within {_STOP_TIMEOUT:.0f} s: "
                f"look at its log, then stop it with `kill {pid}`."
            )
        time.sleep(_POLL_INTERVAL)


def docker(arguments: Sequence[str | Path], *, timeout: float | None = None) -> str:
    """The output of a `docker` command.

    Raises:
        LabError: it failed.
    """
    result = run(["docker", *arguments], timeout=timeout)
    if result.returncode != 0:
        words = " ".join(str(argument) for argument in arguments[:2])
        raise LabError(f"`docker {words}` failed: {last_words(result.stderr)}")
    return result.stdout
