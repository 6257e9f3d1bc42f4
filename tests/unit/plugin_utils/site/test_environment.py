# SPDX-License-Identifier: Apache-2.0
"""Variables that come too late are refused."""

from __future__ import annotations

import pytest
from support.applications import App, problems, refused

CASES: list[tuple[App, str]] = [
    ({"environment": {"A-B": "x"}}, "environment.A-B: letters, digits and '_' only"),
    ({"environment": {"A": 5}}, "environment.A: is of type int and must be a string"),
    ({"environment": {"A": "a\x00b"}}, "environment.A: holds a NUL byte"),
    ({"environment": {"WSGI_STATIC_ROOT": "/x"}}, "environment.WSGI_STATIC_ROOT: set by the role itself"),
    ({"environment": {"PYTHONPATH": "lib"}}, "environment.PYTHONPATH: use the key python_path"),
    ({"environment": {"LD_LIBRARY_PATH": "/opt"}}, "environment.LD_LIBRARY_PATH: set it in httpd_environment, for the"),
    ({"environment": {"LD_PRELOAD": "x.so"}}, "environment.LD_PRELOAD: set it in httpd_environment"),
    ({"environment": {"MALLOC_ARENA_MAX": "2"}}, "environment.MALLOC_ARENA_MAX: set it in httpd_environment"),
    ({"environment": {"PYTHONHOME": "/usr"}}, "environment.PYTHONHOME: virtual environment of its own"),
    ({"environment": {"PYTHONHASHSEED": "0"}}, "environment.PYTHONHASHSEED: use mod_wsgi_directives.python_hash_seed"),
    ({"environment": {"PYTHONUTF8": "1"}}, "environment.PYTHONUTF8: set it in httpd_environment"),
    ({"environment": {"LANG": "de_DE.UTF-8"}}, "environment.LANG: use the keys lang and locale"),
    ({"environment": {"LC_ALL": "de_DE.UTF-8"}}, "environment.LC_ALL: use the keys lang and locale"),
]


@pytest.mark.parametrize(("change", "start"), CASES)
def test_a_defect_is_named_in_one_sentence(shop: App, change: App, start: str) -> None:
    refused(shop, change, start)


def test_variables_that_have_their_effect_or_harm_nobody_are_let_through(shop: App) -> None:
    harmless = (
        "TZ", "LANGUAGE", "PYTHONUNBUFFERED", "PYTHONDONTWRITEBYTECODE", "PYTHONASYNCIODEBUG", "PATH", "LDAP_HOST",
    )  # fmt: skip
    assert problems({**shop, "environment": dict.fromkeys(harmless, "x")}) == []


def test_a_type_has_the_name_that_the_user_knows(shop: App) -> None:
    """Ansible gives what an inventory says types of its own, which tell where it stands."""
    tagged = type("Tagged", (int,), {})
    refused(shop, {"environment": {"A": tagged(5)}}, "environment.A: the value is of type int and must be a string")
