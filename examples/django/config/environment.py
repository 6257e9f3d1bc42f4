# SPDX-License-Identifier: Apache-2.0
"""Typed readers for settings that come from environment variables.

Each raises `ImproperlyConfigured`, with the variable's name, for a value that cannot be used: a
process with a half-understood configuration must not start.
"""

from __future__ import annotations

import os

from django.core.exceptions import ImproperlyConfigured

_FLAGS = {"1": True, "true": True, "yes": True, "on": True, "0": False, "false": False, "no": False, "off": False}


def required(name: str) -> str:
    """The value of a variable that has no safe default; empty counts as missing."""
    value = os.environ.get(name, "")
    if not value:
        raise ImproperlyConfigured(f"The environment variable {name} is not set: give it a value, see the README.")
    return value


def flag(name: str, *, default: bool) -> bool:
    """A switch: 1/true/yes/on or 0/false/no/off, in any case."""
    value = os.environ.get(name)
    if value is None:
        return default
    try:
        return _FLAGS[value.strip().lower()]
    except KeyError:
        raise ImproperlyConfigured(
            f"The environment variable {name} is {value!r}: use one of {', '.join(_FLAGS)}."
        ) from None


def comma_separated(name: str) -> list[str]:
    """The entries of a comma-separated list; empty when the variable is not set."""
    return [entry for part in os.environ.get(name, "").split(",") if (entry := part.strip())]
