# SPDX-License-Identifier: Apache-2.0
"""The file tree of an image, without what an engine adds for a container."""

from __future__ import annotations

import hashlib
import json
import subprocess
import tarfile
import tempfile
from pathlib import Path
from typing import IO, NamedTuple


class Entry(NamedTuple):
    """A file, folder or link. `content` is a SHA-256, or where a link leads."""

    kind: bytes
    mode: int
    owner: int
    group: int
    time: int
    size: int
    content: str


def file_tree(image: str) -> dict[str, Entry]:
    """All entries of an image by their names, as its layers have them."""
    with tempfile.TemporaryDirectory() as folder:
        archive = Path(folder) / "image.tar"
        with archive.open("wb") as stream:
            subprocess.run(["docker", "image", "save", image], stdout=stream, check=True)
        with tarfile.open(archive) as saved:
            (manifest,) = json.load(member(saved, "manifest.json"))
            found: dict[str, Entry] = {}
            for layer in manifest["Layers"]:
                found.update(layer_entries(member(saved, layer)))
    assert found, f"{image} has no files"
    return found


def member(archive: tarfile.TarFile, name: str) -> IO[bytes]:
    """A file of an archive; the old format has links for layers that it has twice."""
    stream = archive.extractfile(name)
    assert stream is not None, name
    return stream


def layer_entries(stream: IO[bytes]) -> dict[str, Entry]:
    """The entries of one layer."""
    found = {}
    with tarfile.open(fileobj=stream) as layer:
        for entry in layer:
            content = entry.linkname
            if entry.isreg():
                content = hashlib.sha256(member_content(layer, entry)).hexdigest()
            name = entry.name.rstrip("/")
            found[name] = Entry(entry.type, entry.mode, entry.uid, entry.gid, int(entry.mtime), entry.size, content)
    return found


def member_content(layer: tarfile.TarFile, entry: tarfile.TarInfo) -> bytes:
    """The content of a file."""
    stream = layer.extractfile(entry)
    assert stream is not None, entry.name
    return stream.read()


def differences(first: dict[str, Entry], second: dict[str, Entry]) -> dict[str, tuple[Entry | None, Entry | None]]:
    """What is not the same in two trees."""
    names = sorted({*first, *second})
    return {name: (first.get(name), second.get(name)) for name in names if first.get(name) != second.get(name)}
