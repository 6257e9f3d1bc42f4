# SPDX-License-Identifier: Apache-2.0
"""Errors as JSON: {"error": {"code": 404, "name": "Not Found", "description": "..."}}."""

from __future__ import annotations

from flask import Flask, json
from werkzeug.exceptions import HTTPException
from werkzeug.wrappers import Response


def init_app(app: Flask) -> None:
    """Answer every error, also an unexpected one (500), in JSON."""
    app.register_error_handler(HTTPException, _as_json)


def _as_json(error: HTTPException) -> Response:
    # The exception's own response keeps the headers that belong to it, such as Allow for 405.
    response = error.get_response()
    response.data = json.dumps({"error": {"code": error.code, "name": error.name, "description": error.description}})
    response.content_type = "application/json"
    return response
