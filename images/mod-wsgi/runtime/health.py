# SPDX-License-Identifier: Apache-2.0
"""The health check of the image: exit status 0 when it serves, 1 and a sentence when it does not.

With WSGI_HEALTH_PATH the application is asked, through its vhost; without it, httpd itself on the private listener.
"""

from __future__ import annotations

import http.client
import os
import sys
from collections.abc import Mapping

sys.path.insert(0, os.path.dirname(os.path.realpath(__file__)))

import settings

SECONDS = 5


def problem(environment: Mapping[str, str]) -> str:
    """What is wrong; empty when all is well."""
    try:
        values = settings.read(environment)
    except settings.SettingsError as error:
        return error.sentences[0]
    path = values["WSGI_HEALTH_PATH"]
    port = int(values["WSGI_PORT"]) if path else settings.PRIVATE_PORT
    host = values["WSGI_HEALTH_HOST"] if path else "localhost"
    url = path or "/alive"
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=SECONDS)
    try:
        connection.request("GET", url, headers={"Host": host, "Connection": "close"})
        status = connection.getresponse().status
    except (OSError, http.client.HTTPException) as error:
        return f"Port {port} does not answer {url}: {error}."
    finally:
        connection.close()
    return "" if 200 <= status < 400 else f"Port {port} answers {url} with status {status}."


def main() -> int:
    """The health check; the exit status."""
    found = problem(os.environ)
    print(found or "healthy")
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
