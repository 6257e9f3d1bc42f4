# SPDX-License-Identifier: Apache-2.0
"""Actions of the collection in a task, without a play and a host."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from types import SimpleNamespace
from typing import Any
from unittest.mock import MagicMock

Ask = Callable[[str, dict[str, Any]], Mapping[str, Any]]


def made(plugin: Any, arguments: dict[str, Any], ask: Ask, play: str = "one", check_mode: bool = False) -> Any:
    """The action of a plugin; ``ask`` is what a module would say to its options."""
    parent = SimpleNamespace(_play=SimpleNamespace(_uuid=play))
    task = SimpleNamespace(args=arguments, action="x", async_val=0, check_mode=check_mode, diff=False, _parent=parent)
    action = plugin.ActionModule(task, *[MagicMock()] * 5)
    action._templar.template = lambda value: value
    action._execute_module = lambda name="", options=None, **_: ask(name.rpartition(".")[2], options)
    return action
