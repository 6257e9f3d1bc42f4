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
        (
            'PRETTY_NAME="Ubuntu 24.04.3 LTS"\nNAME="Ubuntu"\nVERSION_ID="24.04"\nVERSION_CODENAME=noble\nID=ubuntu\n'
            "ID_LIKE=debian\nUBUNTU_CODENAME=noble\n",
            "ubuntu24.04",
        ),
        ('ID=ubuntu\nVERSION_ID="22.04"\nVERSION_CODENAME=jammy\n', "ubuntu22.04"),
        ('ID=ubuntu\nVERSION_ID="26.04"\nVERSION_CODENAME=resolute\n', "ubuntu26.04"),
    ],
)
def test_a_supported_one_is_known_by_its_code_name(text: str, key: str) -> None:
    assert identify(text) is DISTRIBUTIONS[key]


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ('ID=fedora\nPRETTY_NAME="Fedora Linux 42"\n', "Fedora Linux 42"),
        ("ID=debian\nVERSION_CODENAME=buster\n", "debian"),
        # Between two that are supported for five years; and a relative, whose packages are its own.
        ('ID=ubuntu\nVERSION_CODENAME=plucky\nPRETTY_NAME="Ubuntu 25.04"\n', "Ubuntu 25.04"),
        ("ID=linuxmint\nID_LIKE=ubuntu\nVERSION_CODENAME=wilma\nUBUNTU_CODENAME=noble\n", "linuxmint"),
        ("", "an unknown system"),
    ],
)
def test_another_one_is_refused_with_the_list_of_supported_ones(text: str, shown: str) -> None:
    with pytest.raises(
        UnsupportedDistributionError, match=rf"^runs {shown}, which is not supported; use one of Debian 11 \("
    ):
        identify(text)


def test_titles_are_for_sentences() -> None:
    assert [DISTRIBUTIONS[key].title for key in ("debian12", "ubuntu24.04")] == ["Debian 12", "Ubuntu 24.04"]


def test_each_has_a_public_image() -> None:
    assert DISTRIBUTIONS["debian12"].image == "debian:bookworm-slim"
    assert DISTRIBUTIONS["ubuntu24.04"].image == "ubuntu:24.04"
    assert len({entry.codename for entry in DISTRIBUTIONS.values()}) == len(DISTRIBUTIONS), "answers name them by it"
