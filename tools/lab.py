#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Sets up what deploying and testing on this machine needs; `tools/lab.py --help` tells how.

Kept to what any Python can read, so that one that is too old is told so.
"""

import os.path
import sys

if __name__ == "__main__":
    if sys.version_info < (3, 11):  # noqa: UP036
        sys.exit(
            "lab: " + sys.executable + " is Python " + sys.version.split()[0] + ", and 3.11 or newer is needed: "
            "install it and run `make PYTHON=python3.11 ...`."
        )
    sys.path.insert(0, os.path.dirname(os.path.dirname(os.path.realpath(__file__))))
    from tools.laboratory.cli import main

    sys.exit(main(sys.argv[1:]))
