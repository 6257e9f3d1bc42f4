# SPDX-License-Identifier: Apache-2.0
"""The database that the environment names: PostgreSQL on a host, otherwise SQLite in the state directory."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

from config import environment

CONNECT_TIMEOUT = 5  # seconds for each address of the host; the health check must not wait for longer
CONNECTION_AGE = 60  # seconds that a thread keeps its connection


def database(state_directory: Path) -> dict[str, Any]:
    """The settings of the default database. Raises ImproperlyConfigured."""
    host = os.environ.get("DJANGO_DATABASE_HOST", "")
    return postgresql(host) if host else sqlite(state_directory / "db.sqlite3")


def postgresql(host: str) -> dict[str, Any]:
    """A server, by its name, its address, or the folder of its socket.

    Every thread that serves keeps a connection, and asks it whether it is still good before a request uses it: a server
    that was restarted costs no request. What is not set here, libpq takes from its own variables, such as PGSSLMODE.
    """
    return {
        "ENGINE": "django.db.backends.postgresql",
        "HOST": host,
        "PORT": environment.port("DJANGO_DATABASE_PORT", default=5432),
        "NAME": os.environ.get("DJANGO_DATABASE_NAME") or "guestbook",
        "USER": os.environ.get("DJANGO_DATABASE_USER") or "guestbook",
        "PASSWORD": environment.required_secret("DJANGO_DATABASE_PASSWORD"),
        "CONN_MAX_AGE": CONNECTION_AGE,
        "CONN_HEALTH_CHECKS": True,
        "OPTIONS": {"connect_timeout": CONNECT_TIMEOUT},
    }


def sqlite(file: Path) -> dict[str, Any]:
    """A file.

    Several processes and threads write: the write-ahead log lets readers go on meanwhile, and a transaction that takes
    its lock at the start waits for its turn instead of failing half-way with "database is locked".
    """
    return {
        "ENGINE": "django.db.backends.sqlite3",
        "NAME": file,
        "OPTIONS": {
            "init_command": "PRAGMA journal_mode = WAL; PRAGMA synchronous = NORMAL;",
            "timeout": 20,  # seconds
            "transaction_mode": "IMMEDIATE",
        },
    }
