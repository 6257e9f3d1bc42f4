# SPDX-License-Identifier: Apache-2.0
"""The WSGI script that httpd loads in the image; it loads the application's own script.

As a program it only imports the application, for the check before a start: the exit status says whether that worked.
"""

import sys

SEARCHED = list(sys.path)
# mod_wsgi searches the folder of the application first, and a module there may be called like one of Python's. So
# Python's own modules come first until all that bounds the load is loaded too.
sys.path.sort(key=lambda path: not path.startswith(sys.base_prefix + "/lib"))

import functools
import importlib.util
import os
import site
import traceback
import types

# Neither `typing` nor `__future__`: the application may have modules that are called so.
TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any, NoReturn

LIBRARY = os.path.dirname(os.path.realpath(__file__))
VENV = "/opt/venv"
CO_COROUTINE = 0x80  # of a code object; inspect.CO_COROUTINE
IMPORTED = 100
FAILED = 101
"""Exit status of the check. An import that ends its process may leave 0, so that says nothing."""


def add_virtual_environment() -> None:
    """Let an embedded interpreter, which belongs to the whole server, import from the virtual environment first."""
    before = list(sys.path)
    site.addsitedir(os.path.join(VENV, "lib", "python%d.%d" % sys.version_info[:2], "site-packages"))
    sys.path[:] = [path for path in sys.path if path not in before] + before


def set_module_path(home: str) -> None:
    """Imports look into the application's folder first, and never into the image's own."""
    sys.path[:] = [home] + [path for path in sys.path if path not in ("", home, LIBRARY)]


def set_account() -> None:
    """HOME, USER and LOGNAME as the entry point has them: mod_wsgi takes those of /etc/passwd for a daemon process."""
    os.environ.update({name: os.environ["MODWSGI_" + name] for name in ("HOME", "USER", "LOGNAME")})


def load_script() -> "Any":
    """The WSGI callable of the application's own script; tracebacks show the real file."""
    path, name = os.environ["WSGI_SCRIPT"], os.environ["WSGI_CALLABLE"]
    with open(path, "rb") as stream:
        code = compile(stream.read(), path, "exec")
    module = types.ModuleType("wsgi_script")
    module.__file__ = path
    sys.modules[module.__name__] = module
    exec(code, module.__dict__)  # noqa: S102 - this is what a WSGI script is for
    try:
        function = functools.reduce(getattr, name.split("."), module)
    except AttributeError:
        raise RuntimeError(
            "The script %s has no %s; set WSGI_CALLABLE to the name of its WSGI application." % (path, name)
        ) from None
    if is_asgi(function):
        raise RuntimeError(
            "%s of the script %s is an ASGI application, which mod_wsgi does not serve; wrap it by an adapter such as "
            "a2wsgi." % (name, path)
        )
    return function


def is_asgi(function: "Any") -> bool:
    """Whether a call is a coroutine: nothing of WSGI is."""
    calls = (function, getattr(function, "__call__", None))  # noqa: B004 - not whether it can be called
    codes = (getattr(getattr(call, "__func__", call), "__code__", None) for call in calls)
    return any(code is not None and code.co_flags & CO_COROUTINE for code in codes)


def load_for_debugger(pdb: "Any") -> "Any":
    """The same; when it cannot be loaded, the debugger opens where it failed, and the next request tries again."""

    class Debugger(pdb.Pdb):  # type: ignore[misc]
        """The debugger, which leaves Ctrl-C alone: that ends the server."""

        def __init__(self, *arguments: "Any", **options: "Any") -> None:
            super().__init__(*arguments, **dict(options, nosigint=True))

    pdb.Pdb = Debugger
    try:
        return load_script()
    except Exception as error:
        traceback.print_exception(type(error), error, error.__traceback__, file=sys.stdout)
        pdb.post_mortem(error.__traceback__)
        raise


def with_traceback(function: "Callable[..., Any]") -> "Callable[..., Any]":
    """The same function; an exception that leaves it is logged with its traceback.

    mod_wsgi 6.1.1 with Python 3.11 logs the traceback that is attached to an exception, and Python before 3.12 attaches
    it only where the exception is caught (measured on Debian 12, 2026-11: without this only the last line is logged).
    """

    def caught(*arguments: "Any") -> "Any":
        try:
            return function(*arguments)
        except BaseException:
            raise  # caught, and so attached

    return caught


def bounded(group: "str | None" = None) -> "Any":
    """A context with the limits of a load; see loading.py. In mode embedded too: httpd is there for this alone.

    `group` is the daemon process group, empty in mode embedded; without one, nothing is known of loads before.
    """
    spec: Any = importlib.util.spec_from_file_location("modwsgi_loading", os.path.join(LIBRARY, "loading.py"))
    loading: Any = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(loading)
    setting = "WSGI_STARTUP_TIMEOUT"
    notes = None
    if group is not None:
        notes = loading.Notes(os.path.join(os.environ["APACHE_RUN_DIR"], "loading"), group or "embedded", [])
    return loading.bounded(os.environ["WSGI_SCRIPT"], int(os.environ[setting]), setting, notes)


def start() -> "Any":
    """The WSGI callable."""
    set_account()
    if os.environ.get("MODWSGI_DEBUGGER"):
        import pdb  # noqa: T100, PLC0415 - that is what this is for

        sys.path[:] = SEARCHED
        set_module_path(os.environ["WSGI_HOME"])
        return load_for_debugger(pdb)
    import mod_wsgi  # noqa: PLC0415 - there is none outside of httpd

    limited = bounded(mod_wsgi.process_group)
    sys.path[:] = SEARCHED
    if not mod_wsgi.process_group:
        add_virtual_environment()
    set_module_path(os.environ["WSGI_HOME"])
    with limited:
        return load_script()


def check() -> "NoReturn":
    """Import the application, and end with IMPORTED or FAILED, also when it has started a thread."""
    limited = bounded()
    sys.path[:] = SEARCHED
    set_module_path(os.environ["WSGI_HOME"])
    status = IMPORTED
    try:
        with limited:
            load_script()
    except BaseException:  # sys.exit() in a script is a failure too
        traceback.print_exc()
        status = FAILED
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(status)


if __name__ == "__main__":
    check()
else:
    application = with_traceback(with_traceback(start)())
