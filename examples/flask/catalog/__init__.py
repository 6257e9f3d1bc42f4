# SPDX-License-Identifier: Apache-2.0
"""A small JSON API: a catalog of items in SQLite, configured by environment variables named FLASK_*."""

from __future__ import annotations

import logging
import os
from collections.abc import Mapping
from typing import Any

from flask import Flask

from catalog import api, audit, errors, store


def create_app(overrides: Mapping[str, Any] | None = None) -> Flask:
    """Make the application.

    Configuration: `FLASK_DATABASE` (required) is the path of the SQLite database; every other setting of Flask can be
    given as `FLASK_<NAME>` too. `FLASK_AUDIT_FILE` is the path of the journal of changes, or empty for none; without it
    the journal is in the state directory that `modwsgi.deploy` provides. `overrides` win over the environment.

    Raises RuntimeError when no database is configured.
    """
    app = Flask(__name__)
    state_directory = os.environ.get("WSGI_STATE_DIRECTORY")
    app.config.from_mapping(
        AUDIT_FILE=os.path.join(state_directory, "audit.jsonl") if state_directory else None,
        MAX_CONTENT_LENGTH=64 * 1024,
    )
    app.config.from_prefixed_env()
    app.config.from_mapping(overrides)
    if not app.config.get("DATABASE"):
        raise RuntimeError("No database is configured: set the environment variable FLASK_DATABASE to a file's path.")
    app.json.ensure_ascii = False  # JSON in UTF-8, so that people can read their own language in it
    app.logger.setLevel(logging.INFO)

    store.init_app(app)
    audit.init_app(app)
    errors.init_app(app)
    app.register_blueprint(api.blueprint)
    return app
