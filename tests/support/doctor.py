# SPDX-License-Identifier: Apache-2.0
"""wsgi-doctor as it is installed on a host: its files find each other by the names that they have there."""

from __future__ import annotations

import sys
from pathlib import Path
from types import ModuleType

import pytest
from ansible_collections.modwsgi.deploy.plugins.module_utils import layout
from ansible_collections.modwsgi.deploy.plugins.module_utils.deploy import daemon, diagnoses, log, run
from ansible_collections.modwsgi.deploy.plugins.module_utils.httpd import status

from support.scripts import load_script


def installed(monkeypatch: pytest.MonkeyPatch) -> tuple[ModuleType, ModuleType]:
    """The program, and what looks at the host."""
    for path, module in (
        (layout.RUN_TOOL, run),
        (layout.LOG_READER, log),
        (layout.DAEMON_FINDER, daemon),
        (layout.DIAGNOSES, diagnoses),
        ("httpd_status.py", status),
    ):
        monkeypatch.setitem(sys.modules, Path(path).stem, module)
    evidence = load_script("roles/wsgi_app/files/wsgi_evidence.py")
    monkeypatch.setitem(sys.modules, Path(layout.EVIDENCE).stem, evidence)
    return load_script("roles/wsgi_app/files/wsgi_doctor.py"), evidence
