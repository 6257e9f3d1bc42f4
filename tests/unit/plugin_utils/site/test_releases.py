# SPDX-License-Identifier: Apache-2.0
"""How one release takes the place of another."""

from __future__ import annotations

import pytest
from support.applications import App, complete, refused


@pytest.mark.parametrize("seconds", [-1, 7 * 86400 + 1])
def test_seconds_that_make_no_sense_are_refused(shop: App, seconds: int) -> None:
    refused(shop, {"releases": {"keep_static_seconds": seconds}}, f"releases.keep_static_seconds: {seconds} is not")


def test_an_embedded_application_cannot_have_it(shop: App) -> None:
    refused(
        shop,
        {"mode": "embedded", "releases": {"keep_static_seconds": 60}},
        "releases.keep_static_seconds: httpd cannot rely on its clock when mode is embedded",
    )


@pytest.mark.parametrize(("mode", "seconds"), [("daemon", 600), ("embedded", 0)])
def test_the_complete_form(shop: App, mode: str, seconds: int) -> None:
    (found,) = complete({**shop, "mode": mode})
    assert found["releases"]["keep_static_seconds"] == seconds
