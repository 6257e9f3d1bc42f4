# SPDX-License-Identifier: Apache-2.0
"""The HTTP interface."""

from __future__ import annotations

import json
import sqlite3
import time
from collections.abc import Iterator
from typing import Any, TypeVar

from flask import Blueprint, Response, abort, current_app, request, url_for

from catalog import audit, store

blueprint = Blueprint("api", __name__)
Number = TypeVar("Number", int, float)

PAGE_SIZE = 100
MAX_NAME_LENGTH = 200  # characters
MAX_INTEGER = 2**63 - 1  # SQLite's
MAX_CHUNKS = 100
MAX_INTERVAL = 5.0  # seconds


@blueprint.get("/")
def index() -> dict[str, str]:
    """Where things are."""
    return {
        "items": url_for("api.list_items"),
        "stream": url_for("api.stream"),
        "health": url_for("api.healthz"),
    }


@blueprint.get("/api/items")
def list_items() -> dict[str, Any]:
    """A page of items; `next` is the address of the following page, or null."""
    after = _number("after", 0, 0, MAX_INTEGER)
    # One more than a page tells whether there is another.
    items = store.list_items(after, PAGE_SIZE + 1)
    page = items[:PAGE_SIZE]
    following = url_for("api.list_items", after=page[-1].id) if len(items) > PAGE_SIZE else None
    return {"items": page, "next": following}


@blueprint.post("/api/items")
def create_item() -> tuple[Response, int, dict[str, str]]:
    """Store {"name": text, "quantity": number, 1 when left out} and answer with the item and its address."""
    item = store.add_item(*_item_fields(request.get_json()))
    audit.record("created", item)
    return current_app.json.response(item), 201, {"Location": url_for("api.get_item", item_id=item.id)}


@blueprint.get("/api/items/<int:item_id>")
def get_item(item_id: int) -> Response:
    """One item."""
    item = store.get_item(item_id) if item_id <= MAX_INTEGER else None
    if item is None:
        abort(404, f"There is no item {item_id}.")
    return current_app.json.response(item)


@blueprint.get("/echo/<path:text>")
def echo(text: str) -> dict[str, str]:
    """The text of the path, decoded from UTF-8."""
    return {"text": text}


@blueprint.get("/stream")
def stream() -> Response:
    """Lines of JSON, each sent as soon as it is made: `chunks` of them, `interval` seconds apart."""
    chunks = _number("chunks", 5, 1, MAX_CHUNKS)
    interval = _number("interval", 0.2, 0.0, MAX_INTERVAL)
    return Response(_ticks(chunks, interval), mimetype="application/x-ndjson")


@blueprint.get("/healthz")
def healthz() -> tuple[dict[str, str], int]:
    """200 when requests can be served: the database answers and has its table."""
    try:
        store.list_items(after=0, limit=1)
    except sqlite3.Error:
        current_app.logger.exception("The health check cannot read the database")
        return {"status": "unavailable", "database": "error"}, 503
    return {"status": "ok", "database": "ok"}, 200


def _item_fields(body: Any) -> tuple[str, int]:
    if not isinstance(body, dict):
        abort(422, "An item is a JSON object.")
    if unknown := sorted(body.keys() - {"name", "quantity"}):
        abort(422, f"An item has no {', '.join(unknown)}.")
    name, quantity = body.get("name"), body.get("quantity", 1)
    if not isinstance(name, str) or not name.isprintable() or not 0 < len(name.strip()) <= MAX_NAME_LENGTH:
        abort(422, f"The name of an item is a text of 1 to {MAX_NAME_LENGTH} printable characters.")
    if type(quantity) is not int or not 0 <= quantity <= MAX_INTEGER:
        abort(422, "The quantity of an item is a whole number, 0 or more.")
    return name.strip(), quantity


def _number(name: str, default: Number, lowest: Number, highest: Number) -> Number:
    text = request.args.get(name)
    if text is None:
        return default
    try:
        value = type(default)(text)
    except ValueError:
        value = None
    if value is None or not lowest <= value <= highest:
        abort(400, f"The parameter {name} is a number from {lowest} to {highest}.")
    return value


def _ticks(chunks: int, interval: float) -> Iterator[str]:
    started = time.monotonic()
    for number in range(1, chunks + 1):
        if number > 1:
            time.sleep(interval)
        yield json.dumps({"chunk": number, "of": chunks, "seconds": round(time.monotonic() - started, 3)}) + "\n"
