# SPDX-License-Identifier: Apache-2.0
"""httpd's control program for unit tests: it reads a configuration tree as httpd does, and prints what it has read."""

from __future__ import annotations

from pathlib import Path

CONTROL = """#!/usr/bin/env python3
import glob, os, sys

root, loaded, printed = sys.argv[sys.argv.index("-d") + 1], set(), []

def read(path):
    printed.append("# In file: " + path)
    conditions = []
    for number, line in enumerate(open(path), 1):
        words = line.split()
        if not words or words[0].startswith("#"):
            continue
        name, rest = words[0], words[1:]
        if name == "<IfModule":
            module = rest[0].rstrip(">").strip('"')
            wanted = module.lstrip("!").replace("mod_", "").replace(".c", "").replace("_module", "")
            conditions.append((wanted in loaded) != module.startswith("!"))
        elif name == "</IfModule>":
            conditions.pop()
        elif not all(conditions):
            continue
        elif name == "LoadModule":
            loaded.add(rest[0].replace("_module", ""))
        elif name in ("Include", "IncludeOptional"):
            files = sorted(glob.glob(os.path.join(root, rest[0])))
            if not files and name == "Include":
                sys.exit("AH00526: " + path + ": Could not open configuration file " + rest[0])
            for file in files:
                read(file)
            printed.append("# In file: " + path)
        elif name == "BROKEN":
            sys.exit("AH00526: Syntax error on line %d of %s" % (number, path))
        else:
            printed.extend(["#  %d:" % number, line.strip()])

read(os.path.join(root, "apache2.conf"))
print("\\n".join(printed) if "DUMP_CONFIG" in sys.argv else "Syntax OK")
"""


def install(path: Path) -> Path:
    """Put it at a path."""
    path.write_text(CONTROL)
    path.chmod(0o755)
    return path
