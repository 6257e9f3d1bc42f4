# SPDX-License-Identifier: Apache-2.0
"""What is found out about an item of a benchmark. Runs on the managed host."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, NamedTuple

MET, NOT_MET, NOT_APPLICABLE, TO_JUDGE = "met", "not met", "not applicable", "to judge"
STATUSES = (MET, NOT_MET, NOT_APPLICABLE, TO_JUDGE)
MOST_SHOWN = 8
"""Of what a fact lists."""


class Judgement(NamedTuple):
    """What was found."""

    status: str
    fact: str


def judged(met: bool, fact: str) -> Judgement:
    """Met or not met."""
    return Judgement(MET if met else NOT_MET, fact)


def shown(values: Iterable[Any], nothing: str = "none") -> str:
    """Some of a list, for a fact."""
    texts = [str(value) for value in values]
    more = len(texts) - MOST_SHOWN
    return ", ".join(texts[:MOST_SHOWN]) + (f" and {more} more" if more > 0 else "") or nothing


def no_tls() -> Judgement:
    """For a host without TLS."""
    return Judgement(NOT_APPLICABLE, "no vhost speaks TLS")
