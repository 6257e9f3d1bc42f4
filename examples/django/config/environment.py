# SPDX-License-Identifier: Apache-2.0
"""Typed readers for settings that come from environment variables.

Each raises `ImproperlyConfigured`, with the variable's name, for a value that cannot be used: a
process with a half-understood configuration must not start.
"""

from __future__ import annotations

import os
from pathlib import Path

from django.core.exceptions import ImproperlyConfigured

_FLAGS = {"1": True, "true": True, "yes": True, "on": True, "0": False, "false": False, "no": False, "off": False}


def required(name: str) -> str:
    """The value of a variable that has no safe default; empty counts as missing."""
    value = os.environ.get(name, "")
    if not value:
        raise ImproperlyConfigured(f"The environment variable {name} is not set: give it a value, see the README.")
    return value


def required_secret(name: str) -> str:
    """A secret, from the variable, or from the file that the variable `<name>_FILE` names, less its last newline.

    A file is how container engines hand over secrets: no `inspect` shows it, and no child process inherits it.
    """
    path = os.environ.get(f"{name}_FILE", "")
    if not path:
        return required(name)
    if os.environ.get(name):
        raise ImproperlyConfigured(f"The environment variables {name} and {name}_FILE are both set: leave one out.")
    try:
        value = Path(path).read_text(encoding="utf-8").removesuffix("\n").removesuffix("\r")
    except (OSError, UnicodeDecodeError) as error:
        raise ImproperlyConfigured(
            f"The file {path} of the environment variable {name}_FILE cannot be read ({error}): "
            "give it the secret as text, and the application's user the right to read it."
        ) from None
    if not value:
        raise ImproperlyConfigured(f"The file {path} of the environment variable {name}_FILE is empty: write it anew.")
    return value


def port(name: str, *, default: int) -> int:
    """A TCP port."""
    value = os.environ.get(name) or str(default)
    if not (value.isascii() and value.isdigit() and 0 < int(value) < 65536):
        raise ImproperlyConfigured(f"The environment variable {name} is {value!r}: use a port from 1 to 65535.")
    return int(value)


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
