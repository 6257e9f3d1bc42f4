# SPDX-License-Identifier: Apache-2.0
"""The environment variables of an application: the key `environment`.

The variables of an application are set when its daemon process, its C library and its Python run already. What these
have read by then has no effect in the server, though it would have one in a release command: the two would differ
without a word.
"""

from __future__ import annotations

import re

from ansible_collections.modwsgi.deploy.plugins.plugin_utils.site.subject import App, Problems, Subject

VARIABLE = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
OURS = frozenset({"WSGI_APP", "WSGI_STATE_DIRECTORY", "WSGI_STATIC_ROOT"})

_SERVER = "set it in httpd_environment, for the whole server"
_LOCALE = "use the keys lang and locale"

_NAMES: dict[str, str] = {
    "PYTHONPATH": "use the key python_path",
    "PYTHONHOME": "remove it; the application has a virtual environment of its own",
    "PYTHONHASHSEED": "use mod_wsgi_directives.python_hash_seed, for the whole server",
    "PYTHONOPTIMIZE": "use mod_wsgi_directives.python_optimize, for the whole server",
    "PYTHONWARNINGS": "use mod_wsgi_directives.python_warnings, for the whole server",
    "PYTHON_GIL": "use mod_wsgi_directives.free_threading, for the whole server",
    "LANG": _LOCALE,
    "GLIBC_TUNABLES": _SERVER,
}
_PATTERNS: tuple[tuple[re.Pattern[str], str], ...] = (
    (re.compile(r"LC_[A-Z]+"), _LOCALE),
    # Of the dynamic loader, of allocators, and of Python's own start.
    (re.compile(r"LD_[A-Z_]+|MALLOC_[A-Z_]+|MALLOC_CONF"), _SERVER),
    (
        re.compile(
            r"PYTHON(UTF8|COERCECLOCALE|IOENCODING|MALLOC|MALLOCSTATS|DEVMODE|TRACEMALLOC|FAULTHANDLER|PLATLIBDIR|SAFEPATH"
            r"|NOUSERSITE|PYCACHEPREFIX|INTMAXSTRDIGITS|NODEBUGRANGES|CASEOK|PROFILEIMPORTTIME|PERFSUPPORT|CPUCOUNT)"
        ),
        _SERVER,
    ),
)


def advice(name: str) -> str:
    """What to do instead of setting a variable; empty for one that has its effect.

    Variables that change nothing in the server and harm nobody are let through: PYTHONUNBUFFERED, PYTHONSTARTUP,
    PYTHONDONTWRITEBYTECODE.
    """
    if name in _NAMES:
        return _NAMES[name]
    return next((text for pattern, text in _PATTERNS if pattern.fullmatch(name)), "")


def check(application: App) -> Problems:
    """Names and values that a process can have. A value is never repeated in a message: it may be a secret."""
    for name, value in application["environment"].items():
        key, instead = f"environment.{name}", advice(str(name))
        if not VARIABLE.fullmatch(str(name)):
            yield key, "the name of an environment variable has letters, digits and '_' only; rename it"
        elif name in OURS:
            yield key, "this variable is set by the role itself; remove it"
        elif instead:
            yield key, f"it has no effect in the server, where it is set only when Python runs already; {instead}"
        if not isinstance(value, str):
            # Ansible's own types stand for those that the user knows.
            kind = next(known.__name__ for known in type(value).__mro__ if known.__module__ == "builtins")
            yield key, f"the value is of type {kind} and must be a string; put it in quotes"
        elif "\x00" in value:
            yield key, "the value holds a NUL byte, which no environment variable can; remove it"


SUBJECT = Subject(check)
