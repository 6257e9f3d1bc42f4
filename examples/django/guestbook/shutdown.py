# SPDX-License-Identifier: Apache-2.0
"""Run a function when the process stops: under mod_wsgi, and everywhere else."""

from __future__ import annotations

import atexit
from collections.abc import Callable


def on_shutdown(handler: Callable[[], None]) -> None:
    """Have `handler` called when this process stops; it must bear to be called twice.

    Under mod_wsgi, handlers of atexit run only where the interpreter is destroyed; those that are subscribed always do.
    """
    try:
        # Not `import mod_wsgi`: where pip installed a package of this name, that works outside of httpd too.
        from mod_wsgi import subscribe_shutdown  # noqa: PLC0415 - it is there only inside httpd
    except ImportError:
        atexit.register(handler)
    else:
        subscribe_shutdown(lambda *_, **__: handler())
