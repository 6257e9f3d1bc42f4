# SPDX-License-Identifier: Apache-2.0
"""Environment variables that an application cannot have, and what does what they are meant for.

The variables of an application are set when its daemon process, its C library and its Python run already. What these
have read by then has no effect in the server, though it would have one in a release command: the two would differ
without a word.
"""

from __future__ import annotations

import re

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
