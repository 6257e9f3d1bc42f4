# SPDX-License-Identifier: Apache-2.0
"""The code of our modules, for commands on the host that do what they do. Runs on the managed host.

Ansible brings it with each module, and takes it away again. Sending it once more as a file would cost each run, also
one that changes nothing. So the module that goes live keeps what it has brought, in an archive that Python reads.
"""

from __future__ import annotations

import io
import sys
from collections.abc import Iterator

from ansible_collections.modwsgi.deploy.plugins.module_utils.httpd import journal
from ansible_collections.modwsgi.deploy.plugins.module_utils.httpd.journal import Edit
from ansible_collections.modwsgi.deploy.plugins.module_utils.layout import COMMAND_CODE

PACKAGE = __name__.rpartition(".deploy.")[0]
"""Of all our code for hosts."""


def sources() -> dict[str, str]:
    """The text of each file that the commands need, by its path below the folder of all packages."""
    # Ansible sends what is imported anywhere. Read before it is needed, it would cost a run that changes nothing.
    # Also what some runs alone import: a run must not find another archive for it.
    from ansible_collections.modwsgi.deploy.plugins.module_utils.deploy import (  # noqa: PLC0415
        only,  # noqa: F401
        partial,  # noqa: F401
        release_tool,  # noqa: F401
        restart,  # noqa: F401
        standby,  # noqa: F401
    )

    parts = PACKAGE.split(".")
    # Regular packages, so that no other copy on the host comes before them.
    found = {"/".join([*parts[:end], "__init__.py"]): "" for end in range(1, len(parts) + 1)}
    for name, module in sorted(sys.modules.items()):
        if name.startswith(f"{PACKAGE}.") and module.__spec__ and module.__spec__.loader:
            end = "/__init__.py" if module.__spec__.submodule_search_locations is not None else ".py"
            text = module.__spec__.loader.get_source(name)  # type: ignore[attr-defined]
            found[name.replace(".", "/") + end] = text or ""
    return found


def archive() -> bytes:
    """The archive; the same bytes for the same code."""
    import zipfile  # noqa: PLC0415  # likewise

    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w") as made:
        for path, text in sources().items():
            made.writestr(zipfile.ZipInfo(path), text.encode())
    return stream.getvalue()


def edits() -> Iterator[Edit]:
    """What puts the code in place."""
    wanted = archive()
    try:
        with open(COMMAND_CODE, "rb") as stream:
            if stream.read() == wanted:
                return
    except FileNotFoundError:
        pass
    yield Edit(COMMAND_CODE, journal.WRITE, wanted, "", 0o644, 0, 0)
