# SPDX-License-Identifier: Apache-2.0
"""Where one application's files are on the managed host: the only place that knows."""

from __future__ import annotations

import os.path

CODE_ROOT = "/srv/wsgi"
STATE_ROOT = "/var/lib/wsgi"
CONFIGURATION_ROOT = "/etc/wsgi"
HOMES = ("/home", "/root", "/run/user")
"""What systemd hides from a service with ProtectHome, systemd.exec(5)."""
BUILD_ACCOUNT = "modwsgi-build"
"""Whom git, pip and compilers run as. No application can have it: theirs are called wsgi-NAME."""
BUILD_ROOT = "/var/cache/modwsgi/build"
LIBRARY = "/usr/local/lib/modwsgi"
LAUNCHER = LIBRARY + "/launcher.py"
LOADING = LIBRARY + "/loading.py"
PROBE = LIBRARY + "/probe.py"
EMBEDDED = LIBRARY + "/embedded"
"""Copies of the launcher, one for each embedded application: there, only the file's name tells which it is."""
RUN_TOOL = LIBRARY + "/wsgi_run.py"
TERMINAL_TOOL = LIBRARY + "/wsgi_terminal.py"
DEBUG_TOOL = LIBRARY + "/wsgi_debug.py"
DEBUGGED_SCRIPT = LIBRARY + "/debugged_script.py"
DEBUG_CONFIGURATION = LIBRARY + "/debug.conf"
DOCTOR_TOOL = LIBRARY + "/wsgi_doctor.py"
EVIDENCE = LIBRARY + "/wsgi_evidence.py"
DIAGNOSES = LIBRARY + "/wsgi_diagnoses.py"
LOG_READER = LIBRARY + "/wsgi_log.py"
DAEMON_FINDER = LIBRARY + "/wsgi_daemon.py"
COMMAND_TOOL = LIBRARY + "/wsgi_command.py"
COMMAND_CODE = LIBRARY + "/wsgi_command.zip"
"""The code of that tool, which is that of our modules."""
RENEWALS = LIBRARY + "/renewals.py"
LIMITS = LIBRARY + "/limits.py"
RUNNER = "/usr/local/bin/wsgi-run"
DEBUGGER = "/usr/local/bin/wsgi-debug"
DOCTOR = "/usr/local/bin/wsgi-doctor"
RELEASER = "/usr/local/bin/wsgi-release"
RESTARTER = "/usr/local/bin/wsgi-restart"


def layout(name: str) -> dict[str, str]:
    """Absolute paths of the application called `name`.

    httpd's configuration names only the links `current` and `venv`, so that a new release needs no reload of httpd.
    """
    code = os.path.join(CODE_ROOT, name)
    configuration = os.path.join(CONFIGURATION_ROOT, name)
    return {
        "code": code,
        "releases": os.path.join(code, "releases"),
        "venvs": os.path.join(code, "venvs"),
        # Where earlier versions, which ran git as root, kept their copy; the next release removes it.
        "repository": os.path.join(code, "repository.git"),
        "current": os.path.join(code, "current"),
        "venv": os.path.join(code, "venv"),
        # Links to the static files of the release before the current one.
        "previous": os.path.join(code, "previous"),
        "deployment": os.path.join(code, "deployment.json"),
        # What each release needs to come back, for root alone: there are environment variables in it.
        "records": os.path.join(code, "records"),
        # What commands that a fleet runs once have prepared here.
        "once": os.path.join(code, "once.json"),
        "state": os.path.join(STATE_ROOT, name),
        "configuration": configuration,
        "application": os.path.join(configuration, "application.json"),
        "environment": os.path.join(configuration, "environment.json"),
    }


def inside(root: str, relative: str) -> str | None:
    """The absolute path of `relative` below `root` with links resolved, or None when it leads out of `root`."""
    real_root = os.path.realpath(root)
    path = os.path.realpath(os.path.join(real_root, relative))
    return path if path == real_root or path.startswith(real_root + os.sep) else None
