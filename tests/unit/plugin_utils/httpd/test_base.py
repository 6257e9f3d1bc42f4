# SPDX-License-Identifier: Apache-2.0
"""The files of the base configuration, and who can read them."""

from __future__ import annotations

import pytest
from support.preflight import base


@pytest.mark.parametrize(("instance", "mode"), [("apache2", "0640"), ("container", None)])
def test_what_a_user_has_written_only_root_can_read_where_root_starts_httpd(instance: str, mode: str | None) -> None:
    files = base(httpd_instance=instance, httpd_extra_config="RequestHeader set X-Key a-secret").files()
    holding = [each for each in files if "a-secret" in str(each)]
    assert [(each["path"], each.get("mode")) for each in holding] == [("conf-available/modwsgi-extra.conf", mode)]


def test_while_the_host_is_away_httpd_answers_what_the_balancer_asks() -> None:
    def content(**settings: object) -> str:
        (found,) = (each for each in base(**settings).files() if each["path"] == "conf-available/modwsgi-httpd.conf")
        return str(found["content"])

    assert "Redirect 503" not in content()
    asked = (
        "%{REQUEST_URI} == '/healthz' && -f '/var/lib/modwsgi/apache2/away' && %{HTTP_USER_AGENT} != 'modwsgi.deploy'"
    )
    assert f'<If "{asked}">\n    Redirect 503\n' in content(httpd_drain_path="/healthz")


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        (
            {"httpd_drain_path": "healthz"},
            "httpd_drain_path of host web1 is 'healthz', which is no plain path of a URL",
        ),
        ({"httpd_drain_path": "/a' || true"}, "which is no plain path of a URL; write it like /healthz."),
        ({"httpd_drain_path": "/a\n"}, "which is no plain path of a URL"),
        ({"httpd_drain_seconds": -1}, "httpd_drain_seconds of host web1 is less than 0; write how long balancers need"),
    ],
)
def test_what_no_balancer_can_ask_is_refused(settings: dict[str, object], said: str) -> None:
    assert said in " ".join(base(**settings).problems("web1"))
