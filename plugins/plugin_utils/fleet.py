# SPDX-License-Identifier: Apache-2.0
"""Hosts of one play that change one after the other: whose turn it is, and who runs what a fleet runs once.

On the control node.
"""

from __future__ import annotations

import os
import re
from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import Any

from ansible_collections.modwsgi.deploy.plugins.plugin_utils import venv_builder

AT_ONCE = "100%"
SHARE = re.compile(r"([1-9][0-9]?|100)%")
HAPROXY = "haproxy"
"""The value of wsgi_drain_tasks and wsgi_join_tasks for the ready tasks."""
DRAIN, JOIN = HOOKS = ("wsgi_drain_tasks", "wsgi_join_tasks")
ON_FAILURE = ("stop", "rollback_all")
MOST_NAMED = 10
"""Hosts that a sentence names."""


def sizes(serial: Any) -> list[Any]:
    """The entries of ``wsgi_serial``: a single value is a list of one."""
    return list(serial) if isinstance(serial, (list, tuple)) else [serial]


def _is_size(size: Any) -> bool:
    if isinstance(size, bool):
        return False
    if isinstance(size, int):
        return size > 0
    return isinstance(size, str) and bool(SHARE.fullmatch(size) or re.fullmatch(r"[1-9][0-9]*", size))


def turns(serial: Any, hosts: Sequence[str], new: Collection[str] = (), most: int | None = None) -> list[list[str]]:
    """The hosts of each turn, in the order of the play.

    ``serial`` is like Ansible's ``serial``: numbers of hosts and shares of all ``hosts``, the last of which counts to
    the end. Those in ``new`` serve nobody yet, so they come first and together. Of the others, a turn has ``most`` at
    the most; None for any number.
    """
    first = [host for host in hosts if host in new]
    left = [host for host in hosts if host not in new]
    found, counts = [first] if first else [], [_count(size, len(left)) for size in sizes(serial)]
    counts = [min(count, most) for count in counts] if most else counts
    while left:
        count = counts.pop(0) if len(counts) > 1 else counts[0]
        found.append(left[:count])
        left = left[count:]
    return found


def most_away(at_most: Any, hosts: int) -> int | None:
    """How many of ``hosts`` may be away from their balancer at once: one at least; None where all may."""
    return None if str(at_most) == AT_ONCE else _count(at_most, hosts)


def _count(size: Any, hosts: int) -> int:
    share = SHARE.fullmatch(str(size))
    return max(1, hosts * int(share[1]) // 100) if share else int(size)


def problems(values: Mapping[str, Any], known: Collection[str], on_failure: Any = None) -> list[str]:
    """What is wrong with the variables that say how a fleet changes. ``known`` are the hosts of the inventory.

    ``on_failure`` is that of the command line; None where it is not given.
    """
    wrong = on_failure is not None and on_failure not in ON_FAILURE
    found = [f"on_failure is {on_failure!r}; write {' or '.join(ON_FAILURE)}."] if wrong else []
    return [
        *found,
        *size_problems(values["wsgi_serial"], values["wsgi_drain_at_most"]),
        *venv_builder.setting_problems(values["wsgi_build_on"], known),
        *_hook_problems(values),
        *_haproxy_problems(values, known),
    ]


def size_problems(serial: Any, at_most: Any) -> list[str]:
    """What is wrong with the variables that say how many hosts a turn has."""
    found = []
    if not sizes(serial) or not all(_is_size(size) for size in sizes(serial)):
        found.append(
            f"wsgi_serial is {serial!r}; write numbers of hosts and shares of them, for example [1, '25%', '100%']."
        )
    if not _is_size(at_most):
        found.append(
            f"wsgi_drain_at_most is {at_most!r}; write a number of hosts or a share of them, for example '50%'."
        )
    return found


def _hook_problems(values: Mapping[str, Any]) -> Iterable[str]:
    given = [name for name in HOOKS if values[name]]
    if len(given) == 1:
        (missing,) = set(HOOKS) - set(given)
        yield f"{given[0]} is given without {missing}, so a host would {_LEFT[missing]}; give both, or none."
    for name in given:
        path = values[name]
        if path == HAPROXY:
            continue
        if not os.path.isabs(path):
            yield (
                f"{name} is {path!r}; write {HAPROXY}, or the absolute path of a file with tasks on the control node, "
                "for example '{{ inventory_dir }}/tasks/balancer.yml'."
            )
        elif not os.path.isfile(path):
            yield f"{name} names {path}, and there is no such file on the control node; correct the path."


_LEFT = {JOIN: "stay out of its balancer", DRAIN: "join a balancer that it has never left"}


def _haproxy_problems(values: Mapping[str, Any], known: Collection[str]) -> Iterable[str]:
    if HAPROXY not in [values[name] for name in HOOKS]:
        return
    for name, what in (
        ("wsgi_haproxy_hosts", "the hosts on which HAProxy runs, by their names in the inventory"),
        ("wsgi_haproxy_backends", "the backends that have this host as a server"),
    ):
        if not values[name]:
            yield f"wsgi_drain_tasks or wsgi_join_tasks is {HAPROXY}, and {name} is empty; name {what}."
    unknown = [host for host in values["wsgi_haproxy_hosts"] if host not in known]
    if unknown:
        yield (
            f"wsgi_haproxy_hosts names {', '.join(unknown)}, and the inventory has no such host; add it there, in a "
            "group other than wsgi."
        )


class Fleet:
    """The hosts of a play that change, and where they are on their way."""

    def __init__(
        self,
        serial: Any,
        everyone: Sequence[str],
        alive: Collection[str],
        unreached: Collection[str],
        at_most: Any = AT_ONCE,
    ) -> None:
        """``everyone`` are all hosts of the play, ``alive`` those that have not failed.

        ``unreached`` were not to be reached when the play began, and are left out. ``at_most`` is how many may be away
        from their balancer at once: a number, or a share of those that were reached.
        """
        self.serial = serial
        self.alive = alive
        self.lost = [host for host in everyone if host not in alive and host not in unreached]
        self.most = most_away(at_most, len(everyone) - len(unreached))
        self.rolls = len(turns(serial, everyone, (), self.most)) > 1

    def plan(self, held: Sequence[str], new: Collection[str]) -> list[list[str]]:
        """The turns of the hosts that change, those in ``new`` first."""
        return turns(self.serial, held, new, self.most)

    def next(self, plan: Sequence[Sequence[str]], done: int) -> dict[str, Any]:
        """The turn after ``done`` turns of a plan: who changes now, who later, and who has failed before.

        With ``stopped``, nobody changes any more.
        """
        stopped = self.lost if self.rolls else []
        now = [host for host in plan[done] if host in self.alive] if done < len(plan) else []
        later = [host for turn in plan[done + 1 :] for host in turn if host in self.alive]
        left = [*now, *later]
        told = (
            f"{named(left)} {'stays' if len(left) == 1 else 'stay'} as before, since {named(stopped)} failed"
            if stopped
            else f"Turn {done + 1} of {len(plan)}: {named(now)}"
        )
        return {
            "turns": [list(turn) for turn in plan],
            "done": done + 1,
            "now": [] if stopped else now,
            "later": left if stopped else later,
            "stopped": stopped,
            "told": told,
        }


def named(hosts: Sequence[str]) -> str:
    """Hosts in a sentence."""
    further = f" and {len(hosts) - MOST_NAMED} more" if len(hosts) > MOST_NAMED else ""
    return ", ".join(hosts[:MOST_NAMED]) + further


def leaders(asked: Mapping[str, Mapping[str, str]], done: Iterable[tuple[str, str]]) -> dict[str, str]:
    """By application, the host that runs the commands of ``once``: the first that prepares it.

    ``asked`` is, by host in the order of the play, what is to be prepared by application; a digest of it. ``done`` are
    the applications with the digests that some host has prepared earlier: nobody runs those commands again.
    """
    known = set(done)
    found: dict[str, str] = {}
    for host, wanted in asked.items():
        for application, digest in wanted.items():
            if application not in found and (application, digest) not in known:
                found[application] = host
    return found
