# SPDX-License-Identifier: Apache-2.0
"""Headers of answers."""

from __future__ import annotations

import pytest
from support.applications import App, refused, shown, vhost

CASES: list[tuple[App, str]] = [
    ({"headers": [{"name": "X A", "value": "b"}]}, "headers[0].name: is not the name of a header"),
    ({"headers": [{"name": "X-A", "value": "a\nb"}]}, "headers[0].value: holds a newline"),
    ({"headers": [{"name": "X-A"}]}, "headers[0].value: need a value"),
    ({"headers": [{"name": "X-A", "value": "expr=1"}]}, "headers[0].value: for an expression"),
    (
        {"headers": [{"name": "Strict-Transport-Security", "value": "max-age=1"}]},
        "headers[0].name: use tls.hsts_seconds",
    ),
]


@pytest.mark.parametrize(("change", "start"), CASES)
def test_a_defect_is_named_in_one_sentence(shop: App, change: App, start: str) -> None:
    refused(shop, change, start)


def test_header_values_come_as_they_are(shop: App) -> None:
    shop["headers"] = [{"name": "X-A", "value": '100% "sure"'}]
    assert 'Header always set X-A "100%% \\"sure\\""' in vhost(shop)


def test_a_header_is_set_appended_or_removed(shop: App) -> None:
    shop["headers"] = [
        {"name": "X-A", "value": "a"},
        {"name": "Vary", "value": "Cookie", "action": "append"},
        {"name": "X-Powered-By", "action": "unset"},
    ]
    wanted = {"Header always set X-A a", "Header append Vary Cookie", "Header always unset X-Powered-By"}
    assert wanted <= set(shown(vhost(shop)))
