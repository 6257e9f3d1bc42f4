"""Answers what the tests ask, and tells what it got."""

import atexit
import json
import sys

atexit.register(lambda: print("the last words of a process", file=sys.stderr))


def application(environ, start_response):
    """A page for each question."""
    path = environ.get("PATH_INFO", "")
    if path == "/healthz":
        return answer(start_response, "200 OK", {"well": True})
    if path == "/log":
        print('a line with "quotes" and \x01 and \xe9 and \\x41', file=environ["wsgi.errors"])
        return answer(start_response, "200 OK", {})
    if path == "/fail":
        raise ValueError("on purpose")
    told = {key: str(environ.get(key, "")) for key in TOLD}
    told["body"] = len(environ["wsgi.input"].read())
    told["python"] = sys.version
    return answer(start_response, "200 OK", told)


TOLD = (
    "SCRIPT_NAME", "PATH_INFO", "REMOTE_USER", "REMOTE_ADDR", "HTTP_AUTHORIZATION", "HTTP_HOST", "wsgi.url_scheme",
    "UNIQUE_ID", "HTTP_X_REQUEST_ID", "SERVER_PROTOCOL",
)  # fmt: skip


def answer(start_response, status, told):
    """A JSON answer, with headers that the vhost changes."""
    headers = [("Content-Type", "application/json"), ("X-Frame-Options", "SAMEORIGIN"), ("X-Powered-By", "tests")]
    start_response(status, headers)
    return [json.dumps(told).encode()]
