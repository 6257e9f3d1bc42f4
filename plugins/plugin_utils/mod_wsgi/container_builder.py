# SPDX-License-Identifier: Apache-2.0
"""Build a wheel inside a container: what `mod_wsgi_container` sends there and runs, with the build code of hosts.

Reads parameters.json beside it; the last line that it writes is JSON: wheel_sha256, or error and log.
"""

from __future__ import annotations

import importlib
import json
import os
import re
import sys
from pathlib import Path
from typing import Any

PACKAGE = "ansible_collections.modwsgi.deploy.plugins.module_utils.mod_wsgi.build"
HEADER = "/usr/include/apache2/ap_mmn.h"


def httpd_api(header: str) -> int:
    """The major part of the Module Magic Number that a header of httpd tells; 0 when it does not."""
    found = re.search(r"^#define MODULE_MAGIC_NUMBER_MAJOR (\d+)", header, re.MULTILINE)
    return int(found.group(1)) if found else 0


def build(parameters: dict[str, Any]) -> dict[str, Any]:
    """Build, and describe the outcome."""
    # Only now does the path of this process lead to what was sent.
    code = importlib.import_module(PACKAGE)
    found, wanted = httpd_api(Path(HEADER).read_text(encoding="utf-8")), parameters["httpd_api"]
    if found != wanted:
        return {"error": f"its httpd has the module API {found}, and the host needs {wanted}", "log": ""}
    arguments = dict(parameters["build"])
    arguments.update(directory=Path(arguments["directory"]), destination=Path(arguments["destination"]))
    try:
        _, checksum = code.build_wheel(**arguments)
    except code.BuildError as error:
        return {"error": str(error), "log": error.log}
    return {"wheel_sha256": checksum}


def main() -> None:
    """Run it."""
    folder = Path(__file__).resolve().parent
    sys.path.insert(0, str(folder))
    os.umask(0o022)
    print("\n" + json.dumps(build(json.loads((folder / "parameters.json").read_text(encoding="utf-8")))))


if __name__ == "__main__":
    main()
