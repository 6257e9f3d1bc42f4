# SPDX-License-Identifier: Apache-2.0
"""Fixtures of the tests of what concerns httpd."""

import socket
from collections.abc import Iterator

import pytest


@pytest.fixture(name="taken")
def fixture_taken() -> Iterator[int]:
    """A port that this test listens on."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen()
        yield listener.getsockname()[1]
