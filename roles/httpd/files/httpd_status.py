#!/usr/bin/python3 -I
# SPDX-License-Identifier: Apache-2.0
"""Print httpd's status, for root: `httpd_status.py PRIVATE_PORT`. The programs beside it ask for it in the same way.

It is for nobody else, applications the least: any account can connect to the private listener. So httpd looks for a key
in a file that only root and httpd's own user can read. What httpd has read of its configuration is in the memory of all
daemon processes, so the key is not there.

Installed by the role httpd; changes are overwritten.
"""

import os
import sys
import urllib.request

KEY_FILE = "/run/modwsgi-status/key"  # in a folder that gives its group, httpd's, to what is made there
LARGEST = 4 * 1024 * 1024  # bytes; the status of 1,024 workers has 0.3 MiB


def key():
    """What opens the status; made when it is first asked for after a boot. Raises OSError."""
    try:
        with open(KEY_FILE, encoding="ascii") as file:
            return file.read(64)
    except FileNotFoundError:
        made = os.urandom(32).hex()
    new = "%s.%d~" % (KEY_FILE, os.getpid())
    with os.fdopen(os.open(new, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o640), "w") as file:
        file.write(made)
    os.rename(new, KEY_FILE)
    return made


def read(private_port, form, seconds):
    """The status as text: `form` is "auto" for that of the server, "" for HTML, which tells about single processes.

    Raises OSError.
    """
    direct = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    direct.addheaders = [("Host", "private.invalid"), ("X-Modwsgi-Key", key())]
    with direct.open("http://127.0.0.1:%d/server-status?%s" % (private_port, form), timeout=seconds) as answer:
        return answer.read(LARGEST).decode("utf-8", "replace")


if __name__ == "__main__":
    sys.stdout.write(read(int(sys.argv[1]), "auto", 10.0))
