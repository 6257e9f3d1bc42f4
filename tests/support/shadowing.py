# SPDX-License-Identifier: Apache-2.0
"""An application with a module for each name of Python's own library, and a process that runs a script as mod_wsgi."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

SHADOW = "import sys\nsys.stderr.write(__file__ + ' is imported\\n')\nraise ImportError(__file__)\n"
PROGRAM = """
import sys
module = type(sys)("mod_wsgi")
module.process_group = {group!r}
module.subscribe_shutdown = print
sys.modules["mod_wsgi"] = module
sys.path[:0] = {searched!r}
with open({script!r}, "rb") as stream:
    code = compile(stream.read(), {script!r}, "exec")
exec(code, {{"__name__": "_mod_wsgi_1", "__file__": {script!r}}})
"""


def shadow_python(folder: Path) -> None:
    """Make a module for each of Python's that is in a file; importing one fails, and tells it."""
    for name in sys.stdlib_module_names - set(sys.builtin_module_names):
        (folder / f"{name}.py").write_text(SHADOW)


def run_as_mod_wsgi(
    script: Path, searched: list[Path], variables: dict[str, str], group: str = "shop"
) -> subprocess.CompletedProcess[str]:
    """Run a WSGI script in a process that has imported next to nothing, and searches these folders first."""
    program = PROGRAM.format(group=group, searched=[str(path) for path in searched], script=str(script))
    return subprocess.run(
        [sys.executable, "-I", "-S", "-B", "-c", program],
        env={"PATH": "/usr/bin:/bin", **variables},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
