# SPDX-License-Identifier: Apache-2.0
"""What an account could write is removed to the end, and nothing else."""

from __future__ import annotations

import os
import pwd
import threading
from pathlib import Path

import pytest
from ansible_collections.modwsgi.deploy.plugins.module_utils.deploy.removal import remove_tree

NOBODY = pwd.getpwnam("nobody")


def test_links_are_removed_and_not_followed(tmp_path: Path) -> None:
    (tmp_path / "kept").mkdir()
    (tmp_path / "kept" / "file").write_text("")
    tree = tmp_path / "tree"
    (tree / "a" / "b").mkdir(parents=True)
    (tree / "a" / "link").symlink_to(tmp_path / "kept")
    (tree / "a" / "b" / "file").write_text("")
    (tree / "0").mkdir()
    os.mkfifo(tree / "pipe")
    remove_tree(str(tree))
    assert sorted(path.name for path in tmp_path.rglob("*")) == ["file", "kept"]


@pytest.mark.parametrize("kind", ["nothing", "file", "link"])
def test_what_is_no_folder(tmp_path: Path, kind: str) -> None:
    path = tmp_path / "path"
    (tmp_path / "kept").mkdir()
    if kind == "file":
        path.write_text("")
    elif kind == "link":
        path.symlink_to("kept")
    remove_tree(str(path))
    assert os.listdir(tmp_path) == ["kept"]


def test_folders_deeper_than_any_path(tmp_path: Path) -> None:
    deep = os.open(tmp_path, os.O_RDONLY)
    for _ in range(1500):
        os.mkdir("tree", dir_fd=deep)
        below = os.open("tree", os.O_RDONLY, dir_fd=deep)
        os.close(deep)
        deep = below
    os.close(deep)
    remove_tree(str(tmp_path / "tree"))
    assert os.listdir(tmp_path) == []


@pytest.mark.root("acts as another account")
def test_an_account_that_goes_on_writing_does_not_keep_it(tmp_path: Path) -> None:
    tree = tmp_path / "tree"
    tree.mkdir()
    os.chown(tree, NOBODY.pw_uid, NOBODY.pw_gid)
    held = os.open(tree, os.O_RDONLY)
    reader, writer = os.pipe()
    writing = os.fork()
    if writing == 0:
        try:
            os.setresuid(NOBODY.pw_uid, NOBODY.pw_uid, NOBODY.pw_uid)
            for number in range(1 << 30):
                os.close(os.open(str(number), os.O_CREAT | os.O_WRONLY, dir_fd=held))
                if number == 100:
                    os.write(writer, b"x")
        finally:
            os._exit(0)
    os.read(reader, 1)
    removal = threading.Thread(target=remove_tree, args=(str(tree),))
    removal.start()
    removal.join(60)
    os.waitpid(writing, 0)  # it ends when it must not write any more
    assert not removal.is_alive()
    assert os.listdir(tmp_path) == []
    for descriptor in (held, reader, writer):
        os.close(descriptor)
