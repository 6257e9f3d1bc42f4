# SPDX-License-Identifier: Apache-2.0
"""Find a Python interpreter on the managed host and judge whether httpd can embed it.

Runs under the host's own python3 (3.9 or later); the interpreter in question is asked by running it.
"""

from __future__ import annotations

import json
import os
import stat
import subprocess
import sysconfig
from pathlib import Path
from typing import Any

from ansible_collections.modwsgi.deploy.plugins.module_utils.distributions import Distribution

# What the interpreter says about itself. It must run on any Python 3, so no newer syntax. The marker
# separates the answer from what a wrapper script (pyenv's shim, for example) may print.
MARKER = "modwsgi-interpreter:"
QUESTION = f"""
import json, os, sys, sysconfig
value = sysconfig.get_config_var
try:
    import ensurepip, venv
    environments = True
except ImportError:
    environments = False
print("{MARKER}" + json.dumps(dict(
    implementation=sys.implementation.name,
    version=list(sys.version_info[:3]),
    executable=sys.executable,
    prefix=sys.base_prefix,
    shared=bool(value("Py_ENABLE_SHARED")),
    free_threaded=bool(value("Py_GIL_DISABLED")),
    library_directory=value("LIBDIR") or "",
    library=value("INSTSONAME") or value("LDLIBRARY") or "",
    extension_suffix=value("EXT_SUFFIX"),
    include=sysconfig.get_path("include"),
    standard_library=os.path.dirname(os.__file__),
    environments=environments,
)))
"""

SECONDS_TO_ANSWER = 30


class InterpreterError(Exception):
    """The interpreter cannot be used; the text is one sentence for the user."""


def ask(path: str, host: str) -> dict[str, Any]:
    """Run an interpreter and return its answers (the keys of QUESTION).

    Raises InterpreterError when it does not run or is no Python 3.
    """
    wanted = f"mod_wsgi_python names {path} on host {host}"
    if not Path(path).exists():
        raise InterpreterError(
            f"{wanted}, which does not exist; install that Python (docs/pythons.md) or correct the path."
        )
    if Path(path).is_dir() or not os.access(path, os.X_OK):
        raise InterpreterError(f"{wanted}, which is not an executable file; name the interpreter itself.")
    try:
        # -I: neither the environment nor the working directory may change the answer.
        answer = subprocess.run(
            [path, "-I", "-c", QUESTION],
            capture_output=True,
            text=True,
            timeout=SECONDS_TO_ANSWER,
            check=False,
            stdin=subprocess.DEVNULL,
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        raise InterpreterError(f"{wanted}, which does not run ({error}); name a working Python.") from error
    found = answer.stdout.rpartition(MARKER)[2] if MARKER in answer.stdout else ""
    if not found:
        reason = (answer.stderr.strip() or answer.stdout.strip() or f"exit status {answer.returncode}").splitlines()[-1]
        raise InterpreterError(f"{wanted}, which does not answer as a Python 3 ({reason}); name a working Python.")
    description: dict[str, Any] = json.loads(found)
    return description


def locate(python: str, distribution: Distribution, host: str) -> str:
    """The path to ask for a wanted Python ("3.11", or a path); "" when it is the distribution's and not installed yet.

    Raises InterpreterError when a version is on the host in neither of the usual places, nor the distribution's own.
    """
    if python.startswith("/"):
        return python
    for directory in ("/usr/bin", "/usr/local/bin"):
        path = Path(directory, f"python{python}")
        if path.exists():
            return str(path)
    if python == distribution.python:
        return ""
    raise InterpreterError(
        f"Python {python} is not on host {host}: {distribution.title} offers {distribution.python}, so set "
        f'mod_wsgi_python: "{distribution.python}", or install Python {python} (docs/pythons.md) and '
        "give the path of its interpreter."
    )


def base_executable(answer: dict[str, Any]) -> str:
    """The interpreter itself, when what was asked is a link, a wrapper or a virtual environment's."""
    own = Path(answer["prefix"], "bin", "python{}.{}".format(*answer["version"]))
    return str(own if own.exists() else Path(answer["executable"]).resolve())


def distribution_library(version: str) -> str:
    """Where Debian's package libpython3.X has the library of its Python ("3.11"), installed or not.

    Debian 11's Python does not know: its LIBDIR is /usr/lib, and the library is in the folder of the architecture.
    """
    return f"/usr/lib/{_multiarch()}/libpython{version}.so.1.0"


def _multiarch() -> str:
    """Debian's name of the architecture, "x86_64-linux-gnu"."""
    return sysconfig.get_config_var("MULTIARCH") or ""


def find_library(answer: dict[str, Any]) -> str:
    """Path of the shared libpython of a Python that is not the distribution's, "" when there is none."""
    if ".so" not in answer["library"]:
        return ""
    # A relocated build (uv's, for example) names the folder of the machine that built it.
    for directory in (answer["library_directory"], f"{answer['prefix']}/lib"):
        path = Path(directory, answer["library"])
        if path.exists():
            return str(path)
    return ""


def closed_directory(path: str) -> tuple[str, str]:
    """The first folder on the way to a path that not everyone may enter, and its mode; ("", "") when all are open.

    The daemon processes run as the applications' users, who must be able to read the interpreter.
    """
    resolved = Path(path).resolve()
    for current in [*reversed(resolved.parents), resolved]:
        mode = current.stat().st_mode
        needed = stat.S_IXOTH if stat.S_ISDIR(mode) else stat.S_IROTH
        if not mode & needed:
            return str(current), f"{stat.S_IMODE(mode):04o}"
    return "", ""


def check(answer: dict[str, Any], python: str, from_distribution: bool, host: str) -> None:
    """Raise InterpreterError when httpd cannot embed the interpreter that gave this answer."""
    version = "{}.{}.{}".format(*answer["version"])
    executable = answer["executable"]
    if answer["implementation"] != "cpython":
        raise InterpreterError(
            f"{executable} on host {host} is {answer['implementation']}, which mod_wsgi cannot embed; "
            "name a CPython in mod_wsgi_python."
        )
    if not python.startswith("/") and python != "{}.{}".format(*answer["version"]):
        raise InterpreterError(
            f"{executable} on host {host} is Python {version}, not {python}; "
            "give the path of the right interpreter in mod_wsgi_python."
        )
    if answer["free_threaded"]:
        raise InterpreterError(
            f"{executable} on host {host} is a free-threaded build of Python {version}, which mod_wsgi "
            "does not support; name a build with the global interpreter lock in mod_wsgi_python."
        )
    if not answer["shared"] or not (from_distribution or find_library(answer)):
        raise InterpreterError(
            f"{executable} on host {host} (Python {version}) has no shared libpython, which httpd has to load; "
            "rebuild it with --enable-shared, or name another interpreter in mod_wsgi_python."
        )
    if not from_distribution and not answer["environments"]:
        raise InterpreterError(
            f"{executable} on host {host} (Python {version}) lacks its modules venv and ensurepip, which the "
            "installation needs; install them, or name another interpreter in mod_wsgi_python."
        )
    library = "" if from_distribution else find_library(answer)  # the distribution's may come later, and is open to all
    for path in (base_executable(answer), answer["standard_library"], library):
        directory, mode = closed_directory(path) if path else ("", "")
        if directory:
            raise InterpreterError(
                f"{path} on host {host} cannot be read by the daemon processes' users, since {directory} has "
                f"mode {mode}; install that Python in a folder that is open to all (/opt, for example)."
            )


def describe(answer: dict[str, Any], from_distribution: bool) -> dict[str, Any]:
    """The public description of an interpreter: the value of ``mod_wsgi_interpreter``."""
    version = "{}.{}".format(*answer["version"])
    return {
        "executable": base_executable(answer),
        "version": version,
        "full_version": "{}.{}.{}".format(*answer["version"]),
        "prefix": answer["prefix"],
        "abi": "cp" + version.replace(".", ""),
        "libpython": distribution_library(version) if from_distribution else find_library(answer),
        "extension_suffix": answer["extension_suffix"],
        "headers": Path(answer["include"], "Python.h").exists(),
        "installed": True,
        "from_distribution": from_distribution,
    }


def predict(distribution: Distribution) -> dict[str, Any]:
    """The description of the distribution's Python where its package has yet to be installed."""
    version = distribution.python
    abi = "cp" + version.replace(".", "")
    return {
        "executable": f"/usr/bin/python{version}",
        "version": version,
        "full_version": version,
        "prefix": "/usr",
        "abi": abi,
        "libpython": distribution_library(version),
        "extension_suffix": f".cpython-{abi[2:]}-{_multiarch()}.so",
        "headers": False,
        "installed": False,
        "from_distribution": True,
    }


def examine(python: str, distribution: Distribution, host: str) -> dict[str, Any]:
    """Find, check and describe the interpreter that ``mod_wsgi_python`` names.

    Raises InterpreterError when it cannot be used.
    """
    path = locate(python, distribution, host)
    if not path:
        return predict(distribution)
    answer = ask(path, host)
    # Debian never has another Python of the same minor version under /usr.
    from_distribution = answer["prefix"] == "/usr" and "{}.{}".format(*answer["version"]) == distribution.python
    check(answer, python, from_distribution, host)
    return describe(answer, from_distribution)
