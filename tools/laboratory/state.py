# SPDX-License-Identifier: Apache-2.0
"""What the lab remembers in `.lab/`: content hashes of what is there, and what it must remove again."""

from __future__ import annotations

import fcntl
import hashlib
import json
import threading
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any


def content_hash(parts: Iterable[str | bytes]) -> str:
    """A short hash of texts; the borders between them count."""
    digest = hashlib.sha256()
    for part in parts:
        data = part.encode() if isinstance(part, str) else part
        digest.update(f"{len(data)}:".encode() + data)
    return digest.hexdigest()[:12]


@dataclass
class Lab:
    """The folders and the memory of one clone's lab."""

    repository: Path
    _lock: threading.Lock = field(default_factory=threading.Lock)

    @property
    def directory(self) -> Path:
        """Everything that the lab keeps in the clone; worktrees that link one folder share it."""
        return (self.repository / ".lab").resolve()

    @property
    def environment(self) -> Path:
        """The Python environment."""
        return self.directory / "venv"

    @property
    def collections(self) -> Path:
        """Where the needed collections are installed (`ansible.cfg` names it)."""
        return self.directory / "collections"

    @property
    def _memory(self) -> Path:
        return self.directory / "state.json"

    def recall(self, key: str, default: Any = None) -> Any:
        """What was remembered under a name."""
        return self._read().get(key, default)

    def remember(self, key: str, value: Any) -> None:
        """Keeps a JSON value under a name; None forgets it."""
        with self._alone():
            self._write(key, value)

    def add(self, key: str, values: Iterable[str]) -> None:
        """Adds to the sorted list of texts kept under a name."""
        with self._alone():
            self._write(key, sorted({*self.recall(key, []), *values}))

    def discard(self, key: str, value: str) -> None:
        """Takes a text from the list kept under a name."""
        with self._alone():
            self._write(key, [kept for kept in self.recall(key, []) if kept != value])

    @contextmanager
    def _alone(self) -> Iterator[None]:
        """No other thread or process changes the memory meanwhile."""
        with self._lock, self.locked("memory"):
            yield

    def _write(self, key: str, value: Any) -> None:
        memory = {**self._read(), key: value}
        new = self._memory.with_suffix(".new")
        known = {name: kept for name, kept in memory.items() if kept is not None}
        new.write_text(json.dumps(known, indent=2) + "\n", encoding="utf-8")
        new.replace(self._memory)

    def _read(self) -> dict[str, Any]:
        try:
            memory: dict[str, Any] = json.loads(self._memory.read_text(encoding="utf-8"))
        except FileNotFoundError:
            return {}
        return memory

    @contextmanager
    def locked(self, name: str = "lab") -> Iterator[None]:
        """One at a time for each name: hosts of a play ask for their image together."""
        self.directory.mkdir(exist_ok=True)
        with (self.directory / f"{name}.lock").open("w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            yield
