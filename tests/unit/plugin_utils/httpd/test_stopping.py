# SPDX-License-Identifier: Apache-2.0
"""The parts of a stop never add up to more than its bound."""

from __future__ import annotations

import pytest
from ansible_collections.modwsgi.deploy.plugins.plugin_utils.httpd.stopping import StoppingError, stop_limits
from hypothesis import given
from hypothesis import strategies as st

HTTPD_ENDS_ALL_WITHIN = 13.4
"""Seconds from SIGTERM, with a hung child and a busy daemon process (measured on Debian 12, Apache 2.4, 2026-11)."""


@given(st.integers(3, 100_000))
def test_both_parts_fit_into_the_bound(timeout: int) -> None:
    limits = stop_limits(timeout)
    assert limits["requests"] + limits["processes"] <= timeout
    assert limits["requests"] >= 1
    assert limits["processes"] > limits["requests"], "systemd does not cut the wait for requests off"


def test_the_default_lets_httpd_end_everything_itself() -> None:
    assert stop_limits(30)["processes"] > HTTPD_ENDS_ALL_WITHIN


@pytest.mark.parametrize("timeout", [2, 0, -1])
def test_a_bound_that_cannot_be_kept_is_refused(timeout: int) -> None:
    with pytest.raises(StoppingError, match=rf"^httpd_stop_timeout is {timeout}, .*; use 3 \(seconds\) or more\.$"):
        stop_limits(timeout)
