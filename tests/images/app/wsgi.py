# SPDX-License-Identifier: Apache-2.0
"""An application that tells what it is given, and does what a test wants."""

import json
import os
import sys
import threading
import time
from urllib.parse import parse_qs

if os.environ.get("TEST_THREAD"):  # keeps a process from ending
    threading.Thread(target=time.sleep, args=(3600,)).start()

if os.environ.get("TEST_IMPORT") == "hang":
    time.sleep(3600)
if os.environ.get("TEST_IMPORT") == "exit":
    os._exit(3)


def application(environ, start_response):
    query = {name: values[0] for name, values in parse_qs(environ["QUERY_STRING"]).items()}
    path = environ["PATH_INFO"]
    if path == "/slow":
        print("waiting", file=sys.stderr, flush=True)
        time.sleep(float(query["seconds"]))
    if path == "/print":
        print("said on stdout")
        print("said on stderr", file=sys.stderr)
    if path == "/boom":
        secret_number = 42
        raise ValueError(f"boom {secret_number}")
    body = environ["wsgi.input"].read()
    told = {
        "path": path,
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
    start_response("200 OK", [("Content-Type", "application/json")])
    return [json.dumps(told).encode()]
