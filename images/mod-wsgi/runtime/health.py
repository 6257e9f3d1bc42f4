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
LONGEST_LOCATION = 200
"""Characters of where an answer leads that are told."""


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
    secure = bool(path) and values["WSGI_HEALTH_SCHEME"] == "https"
    headers = {"Host": host, "Connection": "close", **({"X-Forwarded-Proto": "https"} if secure else {})}
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=SECONDS)
    try:
        connection.request("GET", url, headers=headers)
        answer = connection.getresponse()
        status, location = answer.status, answer.headers["Location"]
    except (OSError, http.client.HTTPException) as error:
        return f"Port {port} does not answer {url}: {error}."
    finally:
        connection.close()
    # Asked by http, an application that sends everybody to https has answered.
    if 200 <= status < (300 if secure else 400):
        return ""
    to = f" (to {location[:LONGEST_LOCATION]!a})" if location else ""
    return f"Port {port} answers {url} with status {status}{to}."


def main() -> int:
    """The health check; the exit status."""
    found = problem(os.environ)
    print(found or "healthy")
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
