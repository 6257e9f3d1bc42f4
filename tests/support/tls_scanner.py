# SPDX-License-Identifier: Apache-2.0
"""sslyze, in an environment of its own below .lab/, since its pins contradict those of the other tools."""

from __future__ import annotations

import hashlib
import subprocess
import sys
from pathlib import Path

from support.scripts import ROOT

REQUIREMENTS = ROOT / "requirements-sslyze.txt"
ENVIRONMENT = ROOT / ".lab" / "sslyze"


def python() -> Path:
    """The Python that has the pinned sslyze; it is installed at the first use, and again when the pins change."""
    stamp, wanted = ENVIRONMENT / "stamp", hashlib.sha256(REQUIREMENTS.read_bytes()).hexdigest()
    program = ENVIRONMENT / "bin" / "python"
    if not stamp.is_file() or stamp.read_text() != wanted:
        _run([sys.executable, "-m", "venv", "--clear", str(ENVIRONMENT)])
        options = ["--quiet", "--disable-pip-version-check", "--require-hashes", "--no-deps"]
        _run([str(program), "-m", "pip", "install", *options, "--requirement", str(REQUIREMENTS)])
        stamp.write_text(wanted)
    return program


def scan(name: str, address: str, profile: str, trusted: str) -> str:
    """What sslyze says about a server and one of Mozilla's profiles; ``trusted`` is a file of certificates."""
    options = [f"--mozilla_config={profile}", "--certinfo", f"--certinfo_ca_file={trusted}"]
    return _run([str(python()), "-m", "sslyze", *options, f"{name}:443{{{address}}}"], check=False)


def _run(command: list[str], check: bool = True) -> str:
    done = subprocess.run(command, capture_output=True, text=True, timeout=300, check=False)
    assert not check or done.returncode == 0, f"{command} exited with {done.returncode}: {done.stdout}{done.stderr}"
    return done.stdout + done.stderr
