# SPDX-License-Identifier: Apache-2.0
"""Sample values for the directives and options of mod_wsgi, from the data about them."""

from __future__ import annotations

import os
from typing import Any

from ansible_collections.modwsgi.deploy.plugins.plugin_utils.mod_wsgi import directives
from ansible_collections.modwsgi.deploy.plugins.plugin_utils.mod_wsgi.directives import Setting

CODE = "/srv/wsgi/shop/current"
ADDITIONS = {
    "process-group": "shop",
    "application-group": "%{GLOBAL}",
    "launcher": "/usr/local/lib/modwsgi/launcher.py",
}

SAMPLES: dict[str, Any] = {
    "switch": True,
    "path": "/var/tmp",
    "script": "extra.py",
    "seed": 12345,
    "paths": ["/usr/local/lib", "/opt/some modules"],
    "accounts": ["www-data"],
    "account": "www-data",
}

UNITS = {"seconds": 600, "milliseconds": 20, "requests": 1000, "connections": 500, "bytes": 131072}
"""Numbers that no server suffers from."""


def sample(setting: Setting) -> Any:
    """A value that mod_wsgi accepts, and as a rule not its default."""
    if setting.sample is not None:
        return setting.sample
    if setting.choices:
        chosen = setting.choices[-1]
        return [chosen] if setting.type in directives.EACH else chosen
    if setting.type == "integer":
        return UNITS[setting.unit] if setting.unit else int(setting.maximum or 1)
    if setting.fields:
        record = {field.name: sample(field) for field in setting.fields}
        return [record] if setting.type == "records" else record
    if setting.pattern == "group":
        return ["shop"] if setting.type in directives.EACH else "shop"
    return SAMPLES[setting.type]


def expected(setting: Setting, value: Any) -> list[list[str]]:
    """What a reader has to find: the directives of a setting with their arguments, each without quotes.

    Options (``name=value``) are taken apart by mod_wsgi and not by httpd; a model of httpd sees the quotes in them.
    """
    if setting.type == "lines":
        return [[setting.name, item] for item in value]
    if setting.fields:
        return [_record(setting, item) for item in (value if isinstance(value, list) else [value])]
    if setting.type == "words":
        return [[setting.name, *(directives.text(setting, item) for item in value)]]
    return [[setting.name, _text(setting, value)]]


def _text(setting: Setting, value: Any) -> str:
    if setting.type == "script":
        return os.path.normpath(f"{CODE}/{value}" if not value.startswith("/") else value)
    return directives.text(setting, value)


def _record(setting: Setting, record: dict[str, Any]) -> list[str]:
    arguments = [_text(field, record[field.name]) for field in setting.fields if field.place == "argument"]
    options = [
        f"{field.option}={directives.text(field, record[field.name])}"
        for field in setting.fields
        if field.place == "option"
    ]
    given = [ADDITIONS[name] if name == "launcher" else f"{name}={ADDITIONS[name]}" for name in setting.given]
    return [setting.name, *arguments, *options, *given]
