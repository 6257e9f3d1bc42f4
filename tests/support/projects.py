# SPDX-License-Identifier: Apache-2.0
"""Projects as `django-admin startproject` and `wagtail start` make them, in environments of their own below .lab/."""

from __future__ import annotations

import fcntl
import hashlib
import re
import subprocess
import sys
from collections.abc import Iterable
from pathlib import Path

from support.scripts import ROOT

REQUIREMENTS = ROOT / "requirements-projects.txt"

# What every project needs before it serves: Django's own words for it are `manage.py check --deploy`.
SETTINGS = """
import os

DEBUG = False
SECRET_KEY = os.environ["DJANGO_SECRET_KEY"]
ALLOWED_HOSTS = ["shop.example.com"]
STATIC_ROOT = os.environ["WSGI_STATIC_ROOT"]
DATABASES = {
    "default": {
        "ENGINE": "django.db.backends.sqlite3",
        "NAME": os.path.join(os.environ["WSGI_STATE_DIRECTORY"], "db.sqlite3"),
    }
}
"""


def programs(*packages: str) -> Path:
    """The folder with the tools of these packages, or of all that are pinned.

    They are installed at the first use, and again when the pins change.
    """
    environment = ROOT / ".lab" / "-".join(("projects", *packages))
    requirements = pins(packages)
    # An environment does not survive being moved, nor another Python.
    made_of = "\n".join((requirements, str(environment), sys.version))
    stamp, wanted = environment / "stamp", hashlib.sha256(made_of.encode()).hexdigest()
    with environment.with_suffix(".lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)  # tests run side by side
        if not stamp.is_file() or stamp.read_text() != wanted:
            # With the lab's own pip: to install another one takes longer than Django does.
            run([sys.executable, "-m", "venv", "--clear", "--without-pip", str(environment)])
            (environment / "requirements.txt").write_text(requirements)
            options = ["--quiet", "--disable-pip-version-check", "--no-compile", "--require-hashes", "--no-deps"]
            options += ["--requirement", str(environment / "requirements.txt")]
            run([sys.executable, "-m", "pip", "--python", str(environment / "bin" / "python"), "install", *options])
            stamp.write_text(wanted)
    return environment / "bin"


def pins(packages: Iterable[str]) -> str:
    """The pins of these packages, with their hashes; all pins when none is named."""
    entries = re.findall(r"^[a-z].*(?:\n +.*)*\n", REQUIREMENTS.read_text(), re.MULTILINE)
    wanted = [entry for entry in entries if not packages or entry.partition("==")[0] in packages]
    assert len(wanted) == len(list(packages) or entries)
    return "".join(wanted)


def run(command: list[str], folder: Path | None = None, variables: dict[str, str] | None = None) -> str:
    """What a command has written; AssertionError when it fails."""
    done = subprocess.run(command, cwd=folder, env=variables, capture_output=True, text=True, timeout=300, check=False)
    assert done.returncode == 0, f"{command} exited with {done.returncode}: {done.stdout}{done.stderr}"
    return done.stdout


def django(folder: Path) -> Path:
    """A project of `startproject` with an application that has a style sheet of its own; the Python that it needs."""
    tools = programs("asgiref", "django", "sqlparse")
    run([str(tools / "django-admin"), "startproject", "shop", str(folder)])
    with (folder / "shop" / "settings.py").open("a") as settings:
        settings.write(f"\nINSTALLED_APPS += ['home']\n{SETTINGS}")
    run([str(tools / "django-admin"), "startapp", "home"], folder)
    style = folder / "home" / "static" / "home" / "home.css"
    style.parent.mkdir(parents=True)
    style.write_text("body { color: black; }\n")
    (folder / "requirements.txt").write_text("django\n")
    return tools / "python"


def wagtail(folder: Path) -> Path:
    """A project of `wagtail start`; the Python that it needs."""
    tools = programs()
    run([str(tools / "wagtail"), "start", "shop", str(folder)])
    # Which its production settings import last.
    (folder / "shop" / "settings" / "local.py").write_text(SETTINGS)
    return tools / "python"
