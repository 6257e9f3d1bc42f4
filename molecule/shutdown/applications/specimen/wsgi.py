# SPDX-License-Identifier: Apache-2.0
"""An application that takes on a way to end when it is asked to, and leaves a trace of each handler that ran.

GET /become?threads=...&handlers=... answers with the number of the process that did it:
  threads   none, daemon or other (a thread that Python waits for when it finalises)
  handlers  yes: functions for mod_wsgi.subscribe_shutdown and atexit
GET /sleep?seconds=... answers after that time, or when the process is told to end.
GET /healthz answers at once.
"""

import atexit
import os
import threading
from urllib.parse import parse_qs

import mod_wsgi

FOLDER = "/var/lib/wsgi/" + (mod_wsgi.process_group or "embedded")
never = threading.Event()


def leave_trace(handler):
    """One line a call in a file of this process, written through at once: the process may be killed next."""
    name = os.path.join(FOLDER, "%d.%s" % (os.getpid(), handler))
    descriptor = os.open(name, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o644)
    os.write(descriptor, b"ran\n")
    os.close(descriptor)


def become(threads, handlers):
    """Start a thread that never ends, and subscribe the handlers."""
    if handlers == "yes":
        mod_wsgi.subscribe_shutdown(lambda *_, **__: leave_trace("subscribe_shutdown"))
        atexit.register(leave_trace, "atexit")
    if threads != "none":
        threading.Thread(target=never.wait, daemon=threads == "daemon").start()


def application(environ, start_response):
    """Do what the path says; answer with the number of the process."""
    query = {key: values[0] for key, values in parse_qs(environ["QUERY_STRING"]).items()}
    if environ["PATH_INFO"] == "/become":
        become(query["threads"], query["handlers"])
    elif environ["PATH_INFO"] == "/sleep":
        open(os.path.join(FOLDER, "in-flight"), "w").close()
        never.wait(float(query["seconds"]))
    body = str(os.getpid()).encode()
    start_response("200 OK", [("Content-Type", "text/plain"), ("Content-Length", str(len(body)))])
    return [body]
