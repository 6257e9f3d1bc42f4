# SPDX-License-Identifier: Apache-2.0
"""Logs are rotated without a word to httpd."""

from __future__ import annotations

from pathlib import Path

import jinja2
from ansible_collections.modwsgi.deploy.plugins.module_utils.httpd_instance import instance

TEMPLATE = Path(__file__).resolve().parents[2] / "roles/httpd/templates/logrotate.conf.j2"


def test_rotation_tells_httpd_nothing_and_keeps_the_days_that_are_set() -> None:
    environment = jinja2.Environment(autoescape=False, undefined=jinja2.StrictUndefined)
    text = environment.from_string(TEMPLATE.read_text(encoding="utf-8")).render(
        __httpd_instance=instance(), httpd_log_retention_days="21"
    )
    lines = [line.strip() for line in text.splitlines() if not line.startswith("#")]
    assert lines[0] == "/var/log/apache2/*.log {"
    assert {"daily", "rotate 21", "copytruncate"} <= set(lines)
    assert not {"postrotate", "prerotate", "create"} & {line.partition(" ")[0] for line in lines}
