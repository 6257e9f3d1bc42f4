# SPDX-License-Identifier: Apache-2.0
"""How many processes and threads httpd and the applications' daemon process groups get."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import Any

from ansible_collections.modwsgi.deploy.plugins.module_utils.deploy import colours

# Event MPM: threads in one child process. 64x16, 128x8, 256x4 and 512x2 answered 1,000 connections alike (measured on
# Debian 12, Apache 2.4, 2026-11); all children are started at once, so few of them.
THREADS_PER_CHILD = 256
MAX_CHILDREN = 4
MIN_CHILDREN = 2
# Slots for children of earlier configurations, which finish what they have: as many as three reloads leave.
FINISHING_GENERATIONS = 3
# A host with less memory than this gets fewer children, in proportion.
FULL_SIZE_MEMORY_MEBIBYTES = 512

EVENT, WORKER, PREFORK = MPMS = ("mpm_event", "mpm_worker", "mpm_prefork")
# Prefork MPM: each worker is a process, of which 8 MiB are its own (with the modules that sites can need, measured on
# Debian 12, 2026-11; one with mod_php has several times as much). All together may have two fifths of the memory.
PREFORK_WORKERS_PER_MEBIBYTE = 0.4 / 8
MAX_PREFORK_WORKERS = 256
MIN_PREFORK_WORKERS = 10

DAEMON_THREADS = 15
MIN_DAEMON_PROCESSES = 2
MAX_DAEMON_PROCESSES = 8
# Of each entry of daemon_groups, which is for a few paths of an application.
GROUP_PROCESSES = 1
# What one process of a real application is expected to hold resident.
DAEMON_PROCESS_MEBIBYTES = 150
# What one holds that has loaded none (PSS, Python 3.11, mod_wsgi 6.1.1 on Debian 12, 2026-11).
RESTING_PROCESS_MEBIBYTES = 8
# The part of the memory that all daemon processes together may expect to get.
DAEMON_MEMORY_SHARE = 0.6

# Connections that may wait for the daemon processes of an application that has the host for itself; above any
# MaxRequestWorkers, so that httpd's own limit decides.
DAEMON_LISTEN_BACKLOG = 2048
# Where there are several applications: the part of httpd's workers that each may hold, whatever it does.
SHARE_OF_WORKERS = 0.75
# Connections that may wait for a daemon process group all the same, however many threads it has.
MIN_DAEMON_LISTEN_BACKLOG = 32
# Seconds that a worker tries to connect to an application whose share is full, until its client gets 503.
CONNECT_TIMEOUT = 2
LISTEN_BACKLOG = 1024

SERVER_KEYS = (
    "max_request_workers",
    "threads_per_child",
    "start_servers",
    "min_spare_threads",
    "max_spare_threads",
    "listen_backlog",
)


class SizingError(ValueError):
    """Sizes that contradict each other; the text is for the user."""


THREADED_KEYS = ("threads_per_child", "min_spare_threads", "max_spare_threads")
"""Sizes that the prefork MPM does not have."""


def _prefork_sizes(memory_mebibytes: int, overrides: Mapping[str, int]) -> dict[str, int]:
    for key in THREADED_KEYS:
        if key in overrides:
            raise SizingError(
                f"httpd_{key} is for an MPM with threads, and httpd_modules has {PREFORK}; remove it, or use {EVENT}."
            )
    workers = int(memory_mebibytes * PREFORK_WORKERS_PER_MEBIBYTE)
    workers = overrides.get("max_request_workers", max(MIN_PREFORK_WORKERS, min(MAX_PREFORK_WORKERS, workers)))
    sizes = {
        "max_request_workers": workers,
        "threads_per_child": 1,
        # Children of an earlier configuration keep their slots until they have finished.
        "server_limit": 2 * workers,
        "start_servers": min(workers, MIN_PREFORK_WORKERS),
        "min_spare_threads": min(workers, MIN_PREFORK_WORKERS),
        # No child is ended while httpd serves, as with the other MPMs.
        "max_spare_threads": workers,
        "listen_backlog": LISTEN_BACKLOG,
    }
    return {**sizes, **{key: overrides[key] for key in SERVER_KEYS if key in overrides}}


def _server_sizes(memory_mebibytes: int, overrides: Mapping[str, int]) -> dict[str, int]:
    threads = overrides.get("threads_per_child", THREADS_PER_CHILD)
    children = MAX_CHILDREN * memory_mebibytes // FULL_SIZE_MEMORY_MEBIBYTES
    children = max(MIN_CHILDREN, min(MAX_CHILDREN, children))
    workers = overrides.get("max_request_workers", children * threads)
    if workers < threads or workers % threads:
        raise SizingError(
            f"httpd_max_request_workers ({workers}) must be a multiple of httpd_threads_per_child ({threads}); "
            "change one of them."
        )
    sizes = {
        "max_request_workers": workers,
        "threads_per_child": threads,
        "server_limit": workers // threads * (1 + FINISHING_GENERATIONS),
        "start_servers": workers // threads,
        # All children are there from the start, so nothing starts one but the loss of another.
        "min_spare_threads": min(threads, workers),
        # Never more idle threads than this: no child is ended while httpd serves.
        "max_spare_threads": workers,
        "listen_backlog": LISTEN_BACKLOG,
    }
    return {**sizes, **{key: overrides[key] for key in SERVER_KEYS if key in overrides}}


def _daemon_processes(cores: int, memory_mebibytes: int, applications: Sequence[Mapping[str, Any]]) -> int:
    """Processes for each application that does not say how many it has; the numbers that are given come first."""
    for_all = memory_mebibytes * DAEMON_MEMORY_SHARE / DAEMON_PROCESS_MEBIBYTES
    given = sum(int(application.get("processes") or 0) * _times(application) for application in applications)
    given += sum(_of_groups(application) * _times(application) for application in applications)
    sharing = sum(_times(application) for application in applications if not application.get("processes"))
    by_memory = int((for_all - given) / max(1, sharing))
    return max(MIN_DAEMON_PROCESSES, min(cores, by_memory, MAX_DAEMON_PROCESSES))


def _of_groups(application: Mapping[str, Any]) -> int:
    """The processes of an application's further daemon process groups."""
    return sum(int(group.get("processes") or GROUP_PROCESSES) for group in application.get("daemon_groups") or [])


def _times(application: Mapping[str, Any]) -> float:
    """How often the processes of an application are there: twice where its releases change by blue and green.

    Where that is rolling with one process, a second one is loaded for the time of a switch only, and rests until then.
    """
    if colours.overlap(application):
        return 1 + RESTING_PROCESS_MEBIBYTES / DAEMON_PROCESS_MEBIBYTES
    return 2 if (application.get("releases") or {}).get("strategy") == "blue_green" else 1


def part_of_memory(
    cores: int, memory_mebibytes: int, applications: Sequence[Mapping[str, Any]], twice: Collection[str]
) -> float:
    """Which part of the memory for daemon processes the applications take; 1 is all of it.

    Each has as many processes as it has now, and those of ``twice`` (names) all of them once more.
    """
    processes = _daemon_processes(cores, memory_mebibytes, applications)
    needed = 0.0
    for application in applications:
        own = int(application.get("processes") or processes) + _of_groups(application)
        needed += own * (2 if application["name"] in twice else _times(application))
    return needed * DAEMON_PROCESS_MEBIBYTES / (memory_mebibytes * DAEMON_MEMORY_SHARE)


def _queue(
    application: Mapping[str, Any], workers: int, number: int, processes: int, threads: int
) -> dict[str, int | None]:
    """How many requests may wait for each of an application's daemon process groups, and how long a further one."""
    if number == 1:
        return {"listen_backlog": DAEMON_LISTEN_BACKLOG, "connect_timeout": None}
    groups = application.get("daemon_groups") or []
    working = processes * threads
    for group in groups:
        working += int(group.get("processes") or GROUP_PROCESSES) * int(group.get("threads") or DAEMON_THREADS)
    waiting = int((workers * SHARE_OF_WORKERS - working) / (1 + len(groups)))
    return {"listen_backlog": max(MIN_DAEMON_LISTEN_BACKLOG, waiting), "connect_timeout": CONNECT_TIMEOUT}


def sizes(
    cores: int,
    memory_mebibytes: int,
    applications: Iterable[Mapping[str, Any]] = (),
    overrides: Mapping[str, int | None] | None = None,
    mpm: str = EVENT,
) -> dict[str, Any]:
    """Sizes for one host.

    ``applications`` are mappings with ``name`` and, where the user says so, ``processes``, ``threads`` and
    ``daemon_groups``.
    ``overrides`` are the server's sizes that the user sets, by the keys of the result; None means not set.
    ``mpm`` is the module that takes connections (MPMS); with prefork, the spare threads are spare processes.

    Reasoning:

    - httpd's workers only hold connections while a daemon process works, so there have to be as many as connections
      that are to be answered: with httpd's default of 150, 663 of 1,000 connections to a blocking endpoint were never
      answered, with 1,024 all were, the slowest after 1.2 s (measured on Debian 12, Apache 2.4, 2026-11).
      A worker thread costs little resident memory; only a host below 512 MiB gets fewer.
    - The number of httpd's children is fixed. When httpd has more idle threads than it wants, as after a burst, it ends
      a child per second; such a child closes its idle connections only when their clients do, for up to 2 s, and no
      longer hears that httpd stops: a stop then took 2.4 to 2.7 s, and takes 0.2 to 0.4 s with fixed children, also
      right after a burst of 950 connections (measured as above).
    - A child that still has requests after a reload keeps its slot (ServerLimit), and so does one that an embedded
      application keeps from ending. Without slots beyond those of the serving children, none with the new
      configuration could start until then, and nobody would be served (measured as above). A free slot is a few KiB.
    - A daemon process runs one thread of Python at a time, so processes follow the cores. At least 2, so that
      one goes on while the other one restarts; bounded by the memory which the applications share, less what those
      processes need whose number the user gives (``processes``, ``daemon_groups``).
    - Threads wait for databases and other services: on a blocking endpoint the number of daemon threads decided the
      throughput (2x5: 913 requests/s, 2x15: 2,343; measured as above), 15 cost nothing elsewhere.
    - A worker waits with its request, so an application that hangs holds as many workers as may wait for it: 1,100
      requests to it took all 1,024, and nobody got an answer for 20 s, static files neither (measured as above). So
      where there are several applications, the threads and the queue of each are three quarters of the workers at the
      most, all of its daemon process groups together; a further request tries for 2 s, and then its client gets 503.
      So much, since a crowd at one application is more frequent than one that hangs: a burst is answered whole when
      what exceeds the share finds room within the 2 s. Two applications that hang can still hold all workers, and so
      can more than about 128 new requests a second to one.
    - An application that has the host for itself may use all: its backlog is longer than httpd has workers, so that
      its wait is bounded by queue-timeout and not by refused connections. The kernel cuts it to net.core.somaxconn
      (4,096).
    - An embedded application runs in the workers themselves, and nothing bounds its part of them.

    Returns ``max_request_workers``, ``threads_per_child``, ``server_limit``, ``start_servers``,
    ``min_spare_threads``, ``max_spare_threads``, ``listen_backlog``, and ``applications``: by name ``processes``,
    ``threads``, ``listen_backlog``, ``connect_timeout`` (None: mod_wsgi's own). An application overrides the last two
    in ``daemon_options``.

    Raises SizingError when cores or memory are not positive, or the sizes contradict each other.
    """
    if cores < 1 or memory_mebibytes < 1:
        raise SizingError(f"A host needs at least one core and memory, not {cores} and {memory_mebibytes} MiB.")
    applications = list(applications)
    processes = _daemon_processes(cores, memory_mebibytes, applications)
    wanted = {key: int(value) for key, value in (overrides or {}).items() if value is not None}
    server = (_prefork_sizes if mpm == PREFORK else _server_sizes)(memory_mebibytes, wanted)
    found = {}
    for application in applications:
        own = int(application.get("processes") or processes)
        threads = int(application.get("threads") or DAEMON_THREADS)
        queue = _queue(application, server["max_request_workers"], len(applications), own, threads)
        found[application["name"]] = {"processes": own, "threads": threads, **queue}
    return {**server, "applications": found}
