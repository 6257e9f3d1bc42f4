# SPDX-License-Identifier: Apache-2.0
"""An application that tells what it is given, and does what a test wants."""

import getpass
import json
import os
import pwd
import sys
import threading
import time
from urllib.parse import parse_qs

if os.environ.get("TEST_THREAD"):  # keeps a process from ending
    threading.Thread(target=time.sleep, args=(3600,)).start()


class Heavy:
    """Takes CPU time when Python is finalised, and says so, as the objects of a large application do."""

    def __init__(self, seconds):
        self.seconds, self.clock, self.write = seconds, time.process_time, os.write
        os.write(2, b"imported\n")

    def __del__(self):
        end = self.clock() + self.seconds
        while self.clock() < end:
            pass
        self.write(2, b"finalised\n")


# Not where the entry point only tries whether the script can be imported.
if os.environ.get("TEST_HEAVY") and getattr(sys.modules.get("mod_wsgi"), "process_group", ""):
    heavy = Heavy(float(os.environ["TEST_HEAVY"]))

if os.environ.get("TEST_IMPORT") == "hang":
    time.sleep(3600)
if os.environ.get("TEST_IMPORT") == "exit":
    os._exit(3)


def account():
    """What the process knows of its user, after a library has put something into its cache."""
    cache = os.path.expanduser("~/.cache/library")
    os.makedirs(cache, exist_ok=True)
    with open(os.path.join(cache, "data"), "a") as stream:
        stream.write("cached")
    entry = pwd.getpwuid(os.getuid())
    return {
        **{name: os.environ.get(name) for name in ("HOME", "USER", "LOGNAME")},
        "user": getpass.getuser(),
        "entry": [entry.pw_name, entry.pw_dir],
        "same": pwd.getpwnam(entry.pw_name) == entry,
        "mode": os.stat(os.path.expanduser("~")).st_mode & 0o777,
        "others": [user for user in (1, 4711, 65532, 1000660001) if known(user)],
    }


def known(user):
    try:
        return pwd.getpwuid(user)
    except KeyError:
        return None


def application(environ, start_response):
    query = {name: values[0] for name, values in parse_qs(environ["QUERY_STRING"]).items()}
    path = environ["PATH_INFO"]
    if path == "/slow":
        print("waiting", file=sys.stderr, flush=True)
        time.sleep(float(query["seconds"]))
    if path == "/print":
        print("said on stdout")
        print("said on stderr", file=sys.stderr)
    if path == "/secure" and environ["wsgi.url_scheme"] != "https":
        start_response("301 Moved Permanently", [("Location", "https://shop.example.com/secure")])
        return []
    if path == "/boom":
        secret_number = 42
        raise ValueError(f"boom {secret_number}")
    body = environ["wsgi.input"].read()
    told = {
        "path": path,
        "root": environ["SCRIPT_NAME"],
        "credentials": os.environ.get("WSGI_AUTH_CREDENTIALS"),
        "scheme": environ["wsgi.url_scheme"],
        "client": environ["REMOTE_ADDR"],
        "host": environ["HTTP_HOST"],
        "request_id": environ["HTTP_X_REQUEST_ID"],
        "unique_id": environ["UNIQUE_ID"],
        "uid": os.getuid(),
        "folder": os.getcwd(),
        "process_group": environ["mod_wsgi.process_group"],
        "threads": environ["wsgi.multithread"],
        "prefix": sys.prefix,
        "encoding": sys.getfilesystemencoding(),
        "bytes": len(body),
        "own": os.environ.get("OWN"),
    }
    if path == "/account":
        told = account()
    start_response("200 OK", [("Content-Type", "application/json")])
    return [json.dumps(told).encode()]
