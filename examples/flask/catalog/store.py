# SPDX-License-Identifier: Apache-2.0
"""Items in SQLite: one connection for each request, so that any number of processes and threads can serve."""

from __future__ import annotations

import sqlite3
from dataclasses import dataclass

import click
from flask import Flask, current_app, g

BUSY_TIMEOUT = 10.0  # seconds to wait for another writer

SCHEMA = """
CREATE TABLE IF NOT EXISTS items (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    name TEXT NOT NULL,
    quantity INTEGER NOT NULL CHECK (quantity >= 0)
)
"""


@dataclass(frozen=True, slots=True)
class Item:
    """One line of the catalog."""

    id: int
    name: str
    quantity: int


def init_app(app: Flask) -> None:
    """Close connections after each request, and add the command `flask init-db`."""
    app.teardown_appcontext(_close)
    app.cli.add_command(_init_db_command)


def create_tables() -> None:
    """Create what is missing; safe to repeat. The write-ahead log lets readers go on while someone writes."""
    connection = _connection()
    connection.execute("PRAGMA journal_mode = WAL")
    with connection:
        connection.execute(SCHEMA)


def list_items(after: int, limit: int) -> list[Item]:
    """At most `limit` items whose id is greater than `after`, in the order of their ids."""
    rows = _connection().execute(
        "SELECT id, name, quantity FROM items WHERE id > ? ORDER BY id LIMIT ?", (after, limit)
    )
    return [Item(*row) for row in rows]


def get_item(item_id: int) -> Item | None:
    """The item, or None when there is none with this id."""
    row = _connection().execute("SELECT id, name, quantity FROM items WHERE id = ?", (item_id,)).fetchone()
    return Item(*row) if row else None


def add_item(name: str, quantity: int) -> Item:
    """Store a new item and return it with its id."""
    with _connection() as connection:
        row = connection.execute(
            "INSERT INTO items (name, quantity) VALUES (?, ?) RETURNING id, name, quantity", (name, quantity)
        ).fetchone()
    return Item(*row)


def _connection() -> sqlite3.Connection:
    if "connection" not in g:
        g.connection = sqlite3.connect(current_app.config["DATABASE"], timeout=BUSY_TIMEOUT)
    return g.connection


def _close(_error: BaseException | None) -> None:
    connection: sqlite3.Connection | None = g.pop("connection", None)
    if connection is not None:
        connection.close()


@click.command("init-db")
def _init_db_command() -> None:
    """Create the tables that are missing."""
    create_tables()
    click.echo(f"The database {current_app.config['DATABASE']} is ready.")
