# SPDX-License-Identifier: Apache-2.0
"""Reload httpd as fast as it serves again, and look at what its parent holds."""

from __future__ import annotations

from typing import Any

from support.managed_host import ManagedHost

_PROGRAM = """
import http.client, json, os, signal, sys, time

name, times = sys.argv[1], int(sys.argv[2])
parent = int(open("/run/apache2/apache2.pid").read())

def asked():
    connection = http.client.HTTPConnection("127.0.0.1", 80, timeout=10)
    try:
        connection.request("GET", "/process", headers={"Host": name + ".example", "Connection": "close"})
        answer = connection.getresponse()
        return tuple(map(int, answer.read().split())) if answer.status == 200 else (0, 0)
    except (OSError, http.client.HTTPException):
        return 0, 0  # between two generations
    finally:
        connection.close()

def daemons():
    found = set()
    for pid in filter(str.isdigit, os.listdir("/proc")):
        try:
            title = open(f"/proc/{pid}/cmdline", "rb").read()
        except OSError:
            continue  # ended meanwhile
        if title.startswith(f"(wsgi:{name})".encode()):
            found.add(int(pid))
    return found

for count in range(times):
    before, deadline = daemons(), time.monotonic() + 60
    os.kill(parent, signal.SIGUSR1)
    while asked()[0] in {0, *before}:
        if time.monotonic() > deadline:
            sys.exit(f"nothing new serves after {count} reloads")
        time.sleep(0.01)

status = dict(line.split(":", 1) for line in open(f"/proc/{parent}/status"))
print(json.dumps({
    "descriptors": len(os.listdir(f"/proc/{parent}/fd")),
    "resident": int(status["VmRSS"].split()[0]),
    "data": int(status["VmData"].split()[0]),
    "keys_left": asked()[1],
}))
"""


def reload(machine: ManagedHost, application: str, times: int) -> dict[str, Any]:
    """Reload so many times, each as soon as new processes of the application answer.

    The application is molecule/shared/applications/hello. Its daemon processes are forks of httpd's parent, so the keys
    for the data of threads that are left in one (``keys_left``) are those that were left in the parent.
    """
    held: dict[str, Any] = machine.python(_PROGRAM, application, str(times))
    return held
