"""Answers what the tests ask, and tells what it got."""

import atexit
import fcntl
import http.client
import json
import os
import stat
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
    if path == "/attempt":
        return answer(start_response, "200 OK", attempts(environ["QUERY_STRING"]))
    if path == "/fail":
        raise ValueError("on purpose")
    told = {key: str(environ.get(key, "")) for key in TOLD}
    told["body"] = len(environ["wsgi.input"].read())
    told["python"] = sys.version
    return answer(start_response, "200 OK", told)


def attempts(line):
    """What this process can do to other applications; the line is written to all that takes it."""
    done = {"read": [], "written": [], "locks": []}
    log = os.fstat(2)
    for number in map(int, os.listdir("/proc/self/fd")):
        way = f"/proc/self/fd/{number}"
        try:
            found, path, access = os.fstat(number), os.readlink(way), fcntl.fcntl(number, fcntl.F_GETFL)
        except OSError:
            continue
        if found.st_uid == os.getuid() or not (stat.S_ISREG(found.st_mode) or stat.S_ISFIFO(found.st_mode)):
            continue
        if ".lock" in path:
            done["locks"].append(path)
            continue
        if access & os.O_ACCMODE != os.O_RDONLY:
            os.write(number, f"{line}\n".encode())
            if not os.path.samestat(found, log):
                done["written"].append(path)
        try:
            os.close(os.open(way, os.O_RDONLY | os.O_NONBLOCK))
            done["read"].append(path)
        except OSError:
            pass
    private = http.client.HTTPConnection("127.0.0.1", 297, timeout=10)
    private.request("GET", "/server-status?auto", headers={"X-Modwsgi-Key": 64 * "0"})
    done["status"] = private.getresponse().status
    return done


TOLD = (
    "SCRIPT_NAME", "PATH_INFO", "REMOTE_USER", "REMOTE_ADDR", "HTTP_AUTHORIZATION", "HTTP_HOST", "wsgi.url_scheme",
    "UNIQUE_ID", "HTTP_X_REQUEST_ID", "SERVER_PROTOCOL",
)  # fmt: skip


def answer(start_response, status, told):
    """A JSON answer, with headers that the vhost changes."""
    headers = [("Content-Type", "application/json"), ("X-Frame-Options", "SAMEORIGIN"), ("X-Powered-By", "tests")]
    start_response(status, headers)
    return [json.dumps(told).encode()]
