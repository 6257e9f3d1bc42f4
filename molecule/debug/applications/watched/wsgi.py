"""Tells what a WSGI server says about its processes and threads, and a text of another file."""

import json
import os
import threading

import text


def application(environ, start_response):
    """The WSGI application."""
    answer = {
        "text": text.TEXT,
        "pid": os.getpid(),
        "multiprocess": environ["wsgi.multiprocess"],
        "multithread": environ["wsgi.multithread"],
        "thread": threading.get_ident(),
    }
    start_response("200 OK", [("Content-Type", "application/json")])
    return [json.dumps(answer).encode()]
