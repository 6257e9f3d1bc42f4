# SPDX-License-Identifier: Apache-2.0
"""Hosts are found in the table of distributions, and others are refused by name."""

from __future__ import annotations

import pytest
from ansible_collections.modwsgi.deploy.plugins.module_utils.distributions import (
    DISTRIBUTIONS,
    UnsupportedDistributionError,
    identify,
)


@pytest.mark.parametrize(
    ("text", "key"),
    [
        (
            'PRETTY_NAME="Debian GNU/Linux 12 (bookworm)"\nVERSION_CODENAME=bookworm\nVERSION_ID="12"\nID=debian\n',
            "debian12",
        ),
        ('VERSION_CODENAME="trixie"\nID="debian"\n', "debian13"),
        ("ID=debian\nVERSION_CODENAME=forky\n", "debian14"),
    ],
)
def test_a_supported_one_is_known_by_its_code_name(text: str, key: str) -> None:
    assert identify(text) is DISTRIBUTIONS[key]


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ('ID=fedora\nPRETTY_NAME="Fedora Linux 42"\n', "Fedora Linux 42"),
        ("ID=debian\nVERSION_CODENAME=buster\n", "debian"),
        ("", "an unknown system"),
    ],
)
def test_another_one_is_refused_with_the_list_of_supported_ones(text: str, shown: str) -> None:
    with pytest.raises(
        UnsupportedDistributionError, match=rf"^runs {shown}, which is not supported; use one of Debian 11 \("
    ):
        identify(text)


def test_titles_are_for_sentences() -> None:
    assert DISTRIBUTIONS["debian12"].title == "Debian 12"
