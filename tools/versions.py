#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Make docs/versions.md from the tables of the roles, and say when it or another page names another version."""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT / "collections"))
sys.path.insert(0, str(ROOT))

from ansible_collections.modwsgi.deploy.plugins.module_utils import distributions as distribution_table  # noqa: E402
from ansible_collections.modwsgi.deploy.plugins.module_utils.mod_wsgi import versions as table  # noqa: E402

from tools.generated import Generated  # noqa: E402

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


def files(root: Path) -> Iterator[tuple[Path, str]]:
    """docs/versions.md, and the table of the images with the newest version."""
    yield DOCUMENT, document()
    images = (root / IMAGES).read_text(encoding="utf-8")
    yield IMAGES, re.sub(r'^  "module": ".*"', f'  "module": "{table.DEFAULT_VERSION}"', images, flags=re.MULTILINE)


def stale(root: Path) -> Iterator[str]:
    """The pages that name an image or the default in another version than the table."""
    images = json.loads((root / IMAGES).read_text(encoding="utf-8"))
    known = {TAG: {table.DEFAULT_VERSION, *(image.get("module", "") for image in images["images"])}}
    known[DEFAULT] = {table.DEFAULT_VERSION}
    pages = [
        path for pattern in ("*.md", "docs/*.md", "roles/*/README.md", "examples/**/*") for path in root.glob(pattern)
    ]
    for path in sorted(page for page in pages if page.is_file()):
        for number, line in enumerate(path.read_text(encoding="utf-8", errors="replace").splitlines(), 1):
            named = {(kind, version) for kind in known for match in kind.finditer(line) for version in match.groups()}
            wrong = sorted(version for kind, version in named if version and version not in known[kind])
            for version in wrong:
                place = f"{path.relative_to(root)}:{number}"
                yield f"{place}: names {version}, which is not in the version table; correct it"


MADE = Generated(Path(__file__).name, "the version table", files, stale)

if __name__ == "__main__":
    sys.exit(MADE.main(__doc__))
