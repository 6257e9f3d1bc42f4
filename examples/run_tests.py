#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Run the examples' own tests, each in a virtual environment made from its hashed requirements.

The environments are kept under .lab/examples/ and made anew when the requirements or the Python change.
Exits with 1 when a test fails or an environment cannot be made.
"""

from __future__ import annotations

import argparse
import hashlib
import os
import re
import subprocess
import sys
import venv
from collections.abc import Sequence
from pathlib import Path

EXAMPLES = Path(__file__).resolve().parent
ENVIRONMENTS = EXAMPLES.parent / ".lab" / "examples"

TEST_COMMANDS = {
    "django": ["manage.py", "test", "--settings=tests.settings"],
    "flask": ["-m", "unittest"],
}


def main(arguments: Sequence[str] | None = None) -> int:
    """Test the examples named on the command line, or all, and return the exit status."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("examples", nargs="*", metavar="EXAMPLE", help=f"{' or '.join(TEST_COMMANDS)}; both by default")
    names = parser.parse_args(arguments).examples or list(TEST_COMMANDS)
    if unknown := set(names) - set(TEST_COMMANDS):
        parser.error(f"there is no example {', '.join(sorted(unknown))}: choose from {', '.join(TEST_COMMANDS)}")
    results = [passes(name) for name in names]
    return 0 if all(results) else 1


def passes(name: str) -> bool:
    """Run one example's tests; print their closing lines, or everything when they fail."""
    try:
        python = environment_python(name)
    except subprocess.CalledProcessError as error:
        print(f"{name}: the requirements cannot be installed\n{error.stdout}", flush=True)
        return False
    result = run([python, *TEST_COMMANDS[name]], EXAMPLES / name)
    # Before Python 3.12 the runner calls it a success when it finds no test.
    passed = result.returncode == 0 and re.search(r"^Ran [1-9]", result.stdout, re.MULTILINE) is not None
    lines = result.stdout.strip().splitlines()
    if passed:
        lines = [line for line in lines if line.startswith(("Ran ", "OK"))]
    else:
        lines.append(f"the tests failed (exit status {result.returncode}), or there were none")
    print("\n".join(f"{name}: {line}" for line in lines), flush=True)
    return passed


def environment_python(name: str) -> str:
    """The interpreter of an example's virtual environment, which is made first when it is missing or outdated.

    Raises CalledProcessError when the requirements cannot be installed.
    """
    requirements = EXAMPLES / name / "requirements.txt"
    digest = hashlib.sha256(sys.version.encode() + sys.prefix.encode() + requirements.read_bytes()).hexdigest()
    directory = ENVIRONMENTS / name
    python = str(directory / "bin" / "python")
    # Written last: an environment whose making was interrupted is made again.
    stamp = directory / "requirements.sha256"
    if stamp.is_file() and stamp.read_text() == digest:
        return python
    print(f"{name}: making a virtual environment in {directory.relative_to(EXAMPLES.parent)}", flush=True)
    venv.create(directory, clear=True, with_pip=True)
    install = ["-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--require-hashes", "-r"]
    run([python, *install, str(requirements)], directory).check_returncode()
    stamp.write_text(digest)
    return python


def run(command: Sequence[str], directory: Path) -> subprocess.CompletedProcess[str]:
    """Run a command without writing bytecode beside the sources; its two outputs come as one."""
    return subprocess.run(
        command,
        cwd=directory,
        env=os.environ | {"PYTHONDONTWRITEBYTECODE": "1"},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
    )


if __name__ == "__main__":
    sys.exit(main())
