# SPDX-License-Identifier: Apache-2.0
"""The lab pins the hardware address of the engine's bridge, once, and only where there is one."""

from __future__ import annotations

from pathlib import Path

import pytest

from tools.laboratory import engine


@pytest.fixture(name="requests")
def fixture_requests(monkeypatch: pytest.MonkeyPatch) -> list[bytes]:
    """What the kernel is asked for, by root."""
    asked: list[bytes] = []
    monkeypatch.setattr(engine.machine, "is_root", lambda: True)
    monkeypatch.setattr(engine.fcntl, "ioctl", lambda _socket, _number, request: asked.append(request))
    return asked


def bridge(tmp_path: Path, assign_type: str) -> Path:
    directory = tmp_path / "docker0"
    directory.mkdir()
    (directory / "addr_assign_type").write_text(f"{assign_type}\n")
    (directory / "address").write_text("1e:2e:26:21:02:9b\n")
    return directory


def test_an_address_that_the_kernel_chose_is_set(tmp_path: Path, requests: list[bytes]) -> None:
    engine.keep_bridge_address(bridge(tmp_path, "1"))
    (request,) = requests
    assert request.startswith(b"docker0\0")
    assert request.endswith(bytes.fromhex("1e2e2621029b") + bytes(8))


def test_an_address_that_was_set_stays(tmp_path: Path, requests: list[bytes]) -> None:
    engine.keep_bridge_address(bridge(tmp_path, "3"))
    assert requests == []


def test_an_engine_elsewhere_is_left_alone(tmp_path: Path, requests: list[bytes]) -> None:
    engine.keep_bridge_address(tmp_path / "docker0")
    assert requests == []


def test_without_root_nothing_is_tried(tmp_path: Path, requests: list[bytes], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(engine.machine, "is_root", lambda: False)
    engine.keep_bridge_address(bridge(tmp_path, "1"))
    assert requests == []
