# SPDX-License-Identifier: Apache-2.0
"""Listen addresses are read, and contradictions refused."""

from __future__ import annotations

import pytest
from ansible_collections.modwsgi.deploy.plugins.module_utils.httpd.listeners import (
    Listener,
    ListenerError,
    check_private_port,
    listeners,
    parse,
)


@pytest.mark.parametrize(
    ("entry", "address", "port", "directive"),
    [
        (80, "*", 80, "80"),
        ("8080", "*", 8080, "8080"),
        ("*:80", "*", 80, "80"),
        ("0.0.0.0:80", "*", 80, "80"),
        ("[::]:80", "*", 80, "80"),
        ("192.0.2.1:8080", "192.0.2.1", 8080, "192.0.2.1:8080"),
        ("[2001:DB8::1]:443", "2001:db8::1", 443, "[2001:db8::1]:443"),
    ],
)
def test_a_listen_address_is_read(entry: int | str, address: str, port: int, directive: str) -> None:
    listener = parse(entry)
    assert listener == Listener(address, port)
    assert listener.directive == directive


@pytest.mark.parametrize(
    "entry", [0, 65536, -1, True, "", "http", "80 81", "80\n", "1.2.3:80", "::1:80", "[::1]", "host:80", "٨٠", "8_0"]
)
def test_what_is_no_listen_address_is_refused_by_name(entry: int | str) -> None:
    with pytest.raises(ListenerError, match=r"^httpd_listen contains .* which is no listen address; write "):
        parse(entry)


def test_the_private_listener_comes_last() -> None:
    assert listeners([80, "192.0.2.1:81"], 8079)[-1] == Listener("127.0.0.1", 8079)


@pytest.mark.parametrize(
    ("listen", "private", "name"),
    [
        ([80, 80], 8079, "httpd_listen"),
        ([80, "192.0.2.1:80"], 8079, "httpd_listen"),
        ([8079], 8079, "httpd_private_port"),
    ],
)
def test_two_listeners_on_one_port_are_refused(listen: list[int | str], private: int, name: str) -> None:
    with pytest.raises(ListenerError, match=f"^{name} takes .* which httpd_listen already has as "):
        listeners(listen, private)


def test_a_container_takes_its_port_from_its_environment() -> None:
    public, private = listeners(["${WSGI_PORT}"], 8079, variables=True)
    assert (public.address, public.directive) == ("*", "${WSGI_PORT}")
    assert private == Listener("127.0.0.1", 8079)
    assert not public.overlaps(private)


@pytest.mark.parametrize(
    "entry", ["${WSGI_PORT}\n", "$WSGI_PORT", "${port}", "127.0.0.1:${WSGI_PORT}", "${WSGI_PORT}0"]
)
def test_what_is_no_variable_of_a_port_is_refused(entry: str) -> None:
    with pytest.raises(ListenerError):
        parse(entry, variables=True)


def test_a_host_has_no_variable_as_its_port() -> None:
    with pytest.raises(ListenerError):
        listeners(["${WSGI_PORT}"], 8079)


def test_one_port_on_two_addresses_is_fine() -> None:
    assert len(listeners(["192.0.2.1:80", "192.0.2.2:80"], 8079)) == 3


@pytest.mark.parametrize(("port", "is_host"), [(297, True), (1023, True), (1, True), (8079, False), (1024, False)])
def test_a_private_port_is_for_root_alone_on_a_host(port: int, is_host: bool) -> None:
    check_private_port(port, is_host)


@pytest.mark.parametrize("port", [1024, 8079])
def test_a_private_port_for_any_account_is_refused_on_a_host(port: int) -> None:
    with pytest.raises(ListenerError) as refusal:
        check_private_port(port, is_host=True)
    assert str(refusal.value) == (
        f"httpd_private_port is {port}, where any account can listen while httpd is down, and the probe would believe "
        "it; choose a free port below 1024, or remove the variable."
    )


def test_a_private_port_for_root_alone_is_refused_in_a_container() -> None:
    with pytest.raises(ListenerError, match=r"^httpd_private_port is 297, .*; set it to 8079\.$"):
        check_private_port(297, is_host=False)
