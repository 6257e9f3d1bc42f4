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


def server(**settings: object) -> str:
    """What the base configuration says for the whole server."""
    files = {each["path"]: each for each in base(**settings).files()}
    return str(files["conf-available/modwsgi-httpd.conf"]["content"])


def test_one_client_holds_half_of_the_workers_at_the_most() -> None:
    text = server()
    assert "    AdmissionClient 50%\n" in text
    assert "    AdmissionTrusted 10.0.0.0/8 100.64.0.0/10 172.16.0.0/12 192.168.0.0/16 fc00::/7 fe80::/10\n" in text
    assert "AdmissionClient 7\n" in server(httpd_client_limit=7)
    assert "AdmissionTrusted 192.0.2.9\n" in server(httpd_unlimited_clients=["192.0.2.9"])
    assert "AdmissionTrusted" not in server(httpd_unlimited_clients=[])
    assert "Admission" not in server(httpd_client_limit=0)


@pytest.mark.parametrize(
    ("settings", "sentence"),
    [
        (
            {"httpd_client_limit": -1},
            "httpd_client_limit of host web1 is -1; give a number of workers, or 0 for no limit.",
        ),
        (
            {"httpd_unlimited_clients": ["10.0.0.0/8", "proxy.example"]},
            "httpd_unlimited_clients of host web1 has 'proxy.example', which is neither an IP address nor a network; "
            "write it like 192.0.2.0/24.",
        ),
    ],
)
def test_a_limit_that_means_nothing_is_refused(settings: dict[str, object], sentence: str) -> None:
    assert base(**settings).problems("web1") == [sentence]


def test_beside_sites_of_others_clients_are_not_limited() -> None:
    beside = {"foreign": {"sites": [{"file": "sites-enabled/old.conf"}], "listen": [], "modules": []}}
    shared = base(host=beside, httpd_client_limit=9)
    assert "httpd_client_limit of host web1 would hold for the sites of others, too; remove it there." in (
        shared._client_problems("web1")
    )
    assert not any("Admission" in str(each.get("content")) for each in base(host=beside).files())
