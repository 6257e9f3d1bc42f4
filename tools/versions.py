#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Make docs/versions.md from the tables of the roles, and say when it or another page names another version."""

from __future__ import annotations

import argparse
import json
import re
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT / "collections"))

from ansible_collections.modwsgi.deploy.plugins.module_utils import distributions as distribution_table  # noqa: E402
from ansible_collections.modwsgi.deploy.plugins.module_utils.mod_wsgi import versions as table  # noqa: E402

DOCUMENT = Path("docs/versions.md")
IMAGES = Path("images/versions.json")
#: Where a page names the version of an image, or the default one.
TAG = re.compile(r"mod-wsgi:([0-9]+[.][0-9.]*[0-9])|\b([0-9]+[.][0-9]+[.][0-9]+)-python3")
DEFAULT = re.compile(r"builds mod_wsgi ([0-9.]+)|([0-9]+[.][0-9.]+) by default|`mod_wsgi_version` \| `\"([0-9.]+)\"`")

PREFACE = f"""\
<!-- Made from mod_wsgi/versions.py and distributions.py in plugins/module_utils: see tools/versions.py. -->
# Versions

Which mod_wsgi installs with which Python. `mod_wsgi_version` is {table.DEFAULT_VERSION} when nothing else is said.

- **Pinned**: the SHA-256 of the source distribution is in the table, so `mod_wsgi_version` is all that is needed. The
  others install with a checksum of yours (`mod_wsgi_source_sha256`).
- **Known to be bad**: refused, unless `mod_wsgi_allow_known_bad` names the version.
- The 4.x and 5.x lines get no corrections any more; [upgrading-to-6.md](upgrading-to-6.md) says what changes with 6.
"""


def _strict_distributions() -> str:
    """The distributions with a strict compiler."""
    strict = [known.title for known in distribution_table.DISTRIBUTIONS.values() if known.strict_compiler]
    return " and ".join([", ".join(strict[:-1]), strict[-1]])


def versions() -> list[str]:
    """The rows on the versions of the module, newest first."""
    names = sorted(table.MODULE_VERSIONS, key=table.version_key, reverse=True)
    lines = ["| mod_wsgi | Python | Pinned | Known to be bad |", "|---|---|---|---|"]
    for name in names:
        known = table.MODULE_VERSIONS[name]
        pinned = "yes" if known.sha256 else "no"
        pythons = f"{known.first_python} to {known.last_python}"
        if known.strict_last_python:
            pythons += f"; to {known.strict_last_python} on {_strict_distributions()}"
        lines.append(f"| {name} | {pythons} | {pinned} | {known.known_bad} |")
    return lines


def reasons() -> list[str]:
    """The rows on the Pythons that do not fit, the oldest limit first."""
    found: dict[tuple[tuple[int, ...], str, str], list[str]] = {}
    for name, known in table.MODULE_VERSIONS.items():
        for limit, side, reason in (
            (known.first_python, "older than", known.too_old),
            (known.pythons(strict_compiler=True)[1], "newer than", known.too_new),
        ):
            key = (table.version_key(limit), f"{side} {limit}", reason)
            found.setdefault(key, []).append(name)
    lines = ["| Python | mod_wsgi | Why it does not fit |", "|---|---|---|"]
    for (_, pythons, reason), names in sorted(found.items()):
        lines.append(f"| {pythons} | {', '.join(sorted(names, key=table.version_key, reverse=True))} | {reason} |")
    return lines


def distributions() -> list[str]:
    """The rows on the distributions."""
    lines = [
        "| Distribution | Its Python | Its own mod_wsgi | Pinned versions that fit its Python |",
        "|---|---|---|---|",
    ]
    for known in distribution_table.DISTRIBUTIONS.values():
        fitting = ", ".join(table.versions_for(known.python, known.strict_compiler))
        lines.append(f"| {known.title} | {known.python} | {known.module_version or 'not verified'} | {fitting} |")
    return lines


def document() -> str:
    """The text of docs/versions.md."""
    parts = [PREFACE, *versions(), "", "## Pythons that do not fit", "", *reasons()]
    return "\n".join([*parts, "", "## Distributions", "", *distributions()]) + "\n"


def stale(root: Path) -> list[str]:
    """What names another version than the table: the images, and pages that name images or the default."""
    images = json.loads((root / IMAGES).read_text(encoding="utf-8"))
    found = [] if images["module"] == table.DEFAULT_VERSION else [f"{IMAGES}: the module is {images['module']}"]
    known = {TAG: {table.DEFAULT_VERSION, *(image.get("module", "") for image in images["images"])}}
    known[DEFAULT] = {table.DEFAULT_VERSION}
    pages = [
        path for pattern in ("*.md", "docs/*.md", "roles/*/README.md", "examples/**/*") for path in root.glob(pattern)
    ]
    for path in sorted(page for page in pages if page.is_file()):
        for number, line in enumerate(path.read_text(encoding="utf-8", errors="replace").splitlines(), 1):
            named = {(kind, version) for kind in known for match in kind.finditer(line) for version in match.groups()}
            wrong = sorted(version for kind, version in named if version and version not in known[kind])
            found += [f"{path.relative_to(root)}:{number}: names {version}" for version in wrong]
    return found


def main(arguments: list[str] | None = None, root: Path = ROOT) -> int:
    """Run the command; the exit status is 1 when the document is out of date."""
    parser = argparse.ArgumentParser(description=__doc__)
    mode = parser.add_mutually_exclusive_group(required=True)
    mode.add_argument("--check", action="store_true", help="compare, change nothing")
    mode.add_argument("--write", action="store_true", help=f"write {DOCUMENT} and the newest version in {IMAGES}")
    chosen = parser.parse_args(arguments)
    target = root / DOCUMENT
    if chosen.write:
        target.write_text(document(), encoding="utf-8")
        images = (root / IMAGES).read_text(encoding="utf-8")
        newest = re.sub(r'^  "module": ".*"', f'  "module": "{table.DEFAULT_VERSION}"', images, flags=re.MULTILINE)
        (root / IMAGES).write_text(newest, encoding="utf-8")
        return 0
    wrong = [f"{said}, which is not in the version table; correct it" for said in stale(root)]
    if not target.is_file() or target.read_text(encoding="utf-8") != document():
        wrong.append(f"{DOCUMENT}: is not what the version table says; run tools/versions.py --write")
    print(*wrong, sep="\n", end="\n" if wrong else "", file=sys.stderr)
    return int(bool(wrong))


if __name__ == "__main__":
    sys.exit(main())
