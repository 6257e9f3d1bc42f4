# SPDX-License-Identifier: Apache-2.0
"""Root asks the private listener with a key that nobody else has, and under the name that is meant."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from email.message import Message
from pathlib import Path

import pytest
from ansible_collections.modwsgi.deploy.plugins.module_utils.httpd import status
from support.answering import answering


@pytest.fixture(name="port")
def fixture_port(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[int]:
    """That of a listener that answers with what it was asked."""
    monkeypatch.setattr(status, "KEY_FILE", str(tmp_path / "key"))

    def told(path: str, headers: Message) -> tuple[int, bytes]:
        return 200, f"{path} {headers.get_all('Host')} {headers[status.KEY_HEADER]}".encode()

    with answering(told) as port:
        yield port


def test_the_status_and_a_probe_are_asked_under_their_names(port: int) -> None:
    key = status.key()
    assert status.read(port, "auto", 5) == f"/server-status?auto ['private.invalid'] {key}"
    assert status.ask(port, "/probe/shop", "shop.example", 5) == f"/probe/shop ['shop.example'] {key}"


def test_the_program_prints_either(port: int, capsys: pytest.CaptureFixture[str]) -> None:
    status.main([str(port)])
    status.main([str(port), "/probe/shop", "shop.example"])
    printed = capsys.readouterr().out
    assert "/server-status?auto ['private.invalid']" in printed
    assert "/probe/shop ['shop.example']" in printed


def test_all_who_ask_at_once_after_a_boot_have_one_key(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(status, "KEY_FILE", str(tmp_path / "key"))
    together, kept, looked = threading.Barrier(8), status._kept, threading.local()

    def nobody_was_before() -> str:
        """All see that there is no key before one of them makes it."""
        if not hasattr(looked, "once"):
            looked.once = True
            together.wait(10)
            raise FileNotFoundError
        return kept()

    monkeypatch.setattr(status, "_kept", nobody_was_before)
    with ThreadPoolExecutor(8) as pool:
        keys = {asked.result() for asked in [pool.submit(status.key) for _ in range(8)]}
    assert len(keys) == 1
    assert keys == {(tmp_path / "key").read_text()}
    assert (tmp_path / "key").stat().st_mode & 0o777 == 0o640
    assert [path.name for path in tmp_path.iterdir()] == ["key"]
