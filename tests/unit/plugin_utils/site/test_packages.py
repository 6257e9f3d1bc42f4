# SPDX-License-Identifier: Apache-2.0
"""Names of packages that are refused before anything changes."""

from __future__ import annotations

from typing import Any

import pytest
from support.applications import App, problems, refused


@pytest.mark.parametrize(
    "name",
    [
        "gcc-", "-y", "libpq5=15.1", "gcc/stable", "gcc:amd64", "LibPQ", "x", "a b", "a\tb", "./x.deb", "lib*", "",
        3.11, None,
    ],
)  # fmt: skip
@pytest.mark.parametrize("key", ["packages", "build_packages"])
def test_what_apt_would_take_for_something_else_is_refused(shop: App, key: str, name: Any) -> None:
    shop |= {"requirements": "requirements.txt", key: ["gcc", name]}
    (found,) = problems(shop)
    assert found.startswith(f"wsgi_apps: application 'shop', key {key}[1]: ")


def test_names_of_the_distribution_are_taken(shop: App) -> None:
    names = ["g++", "libstdc++-12-dev", "0ad", "389-ds", "python3.11-dev"]
    assert problems({**shop, "requirements": "requirements.txt", "packages": names, "build_packages": names}) == []


def test_what_has_no_effect_is_refused(shop: App) -> None:
    refused(shop, {"build_packages": ["gcc"]}, "build_packages: without requirements nothing is built")
    refused(shop, {"packages": ["gcc", "gcc"]}, "packages: gcc is there 2 times; remove one")
