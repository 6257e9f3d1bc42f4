# SPDX-License-Identifier: Apache-2.0
"""Logs are rotated without a word to httpd."""

from __future__ import annotations

from support.preflight import base


def test_rotation_tells_httpd_nothing_and_keeps_the_days_that_are_set() -> None:
    files = {file["path"]: file for file in base(httpd_log_retention_days="21").files()}
    lines = files["/etc/logrotate.d/apache2"]["content"].splitlines()
    lines = [line.strip() for line in lines if not line.startswith("#")]
    assert lines[0] == "/var/log/apache2/*.log {"
    assert {"daily", "rotate 21", "copytruncate"} <= set(lines)
    assert not {"postrotate", "prerotate", "create"} & {line.partition(" ")[0] for line in lines}
