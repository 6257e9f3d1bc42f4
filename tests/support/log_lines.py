# SPDX-License-Identifier: Apache-2.0
"""Lines of real error logs, by the diagnosis of wsgi-doctor that they are for; log_lines.txt has them as they are."""

from __future__ import annotations

from pathlib import Path

SITE, SERVER, KERNEL = "site", "server", "kernel"

LINES: list[tuple[str, str, str]] = [
    (name, source, line)
    for text in Path(__file__).with_suffix(".txt").read_text(encoding="utf-8").splitlines()
    for name, source, line in [text.split(" ", 2)]
    if name != "#"
]
"""Diagnosis, log, line."""
