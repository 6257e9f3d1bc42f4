# SPDX-License-Identifier: Apache-2.0
"""Wait for a condition, never for time to pass."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import TypeVar

Result = TypeVar("Result")

PAUSE = 0.05
"""Seconds between two questions."""


def wait_for(condition: Callable[[], Result], what: str, deadline: float = 30.0) -> Result:
    """Ask until the condition is true and return its result; AssertionError with `what` after `deadline` seconds."""
    end = time.monotonic() + deadline
    while not (result := condition()):
        assert time.monotonic() < end, f"not within {deadline:g} s: {what}"
        time.sleep(PAUSE)
    return result
