# SPDX-License-Identifier: Apache-2.0
"""What Python, mod_wsgi and release answer where an application runs; served on the private listener only.

Installed by the role wsgi_app; changes are overwritten.
"""

import json
import os
import sys

import mod_wsgi


def application(environ, start_response):
    """Answer with facts about this very process, as JSON."""
    # Of the launcher, which has run in this interpreter before; none when it could not.
    deployment = sys.modules.get("modwsgi_deployment")
    facts = {
        "version_info": list(sys.version_info),
        "prefix": sys.prefix,
        "mod_wsgi_version": list(mod_wsgi.version),
        "process_group": environ["mod_wsgi.process_group"],
        "application_group": environ["mod_wsgi.application_group"],
        "pid": os.getpid(),
        "release": getattr(deployment, "release", ""),
        "venv": getattr(deployment, "venv", ""),
    }
    body = json.dumps(facts).encode()
    start_response(
        "200 OK",
        [
            ("Content-Type", "application/json"),
            ("Content-Length", str(len(body))),
            ("Cache-Control", "no-store"),
        ],
    )
    return [body]
