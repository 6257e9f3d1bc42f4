# SPDX-License-Identifier: Apache-2.0
"""A client of one site over TLS: it checks the certificate's name, and is addressed by IP."""

from __future__ import annotations

import re
from typing import Any
from urllib.parse import urlsplit

import requests
from requests.adapters import HTTPAdapter

from support.managed_host import ManagedHost
from support.visitor import Visitor

CERTIFICATES = ("/etc/ssl/shop.pem", "/var/lib/modwsgi/apache2/tls/guestbook.crt")


def certificates(machine: ManagedHost) -> str:
    """The host's certificates, as a file of trusted ones."""
    return machine.run("cat", *CERTIFICATES)


class ByAddress(HTTPAdapter):
    """Connections go to one address, whatever the name in the URL; the name is what the certificate has to be for."""

    def __init__(self, address: str) -> None:
        self.address = address
        super().__init__()

    def get_connection_with_tls_context(self, request: Any, verify: Any, proxies: Any = None, cert: Any = None) -> Any:  # noqa: ARG002
        """The pool of connections for a request."""
        host, pool = self.build_connection_pool_key_attributes(request, verify, cert)
        name = host["host"]
        host = {**host, "host": self.address}
        if host["scheme"] == "https":
            pool = {**pool, "server_hostname": name, "assert_hostname": name}
        return self.poolmanager.connection_from_host(**host, pool_kwargs=pool)

    def add_headers(self, request: Any, **_options: Any) -> None:
        """The name goes into the Host header, as the connection only knows the address."""
        request.headers["Host"] = urlsplit(request.url).netloc


class SecureSite:
    """A site as a browser sees it: cookies kept, redirects followed, certificate checked."""

    def __init__(self, address: str, name: str, trusted: str) -> None:
        self.name = name
        self.session = requests.Session()
        # Never through a proxy that the environment names: the host is a neighbour.
        self.session.trust_env = False
        self.session.verify = trusted
        adapter = ByAddress(address)
        self.session.mount("https://", adapter)
        self.session.mount("http://", adapter)

    def request(self, method: str, path: str, **options: Any) -> requests.Response:
        """One request; ``path`` may be a complete URL; redirects are followed, 30 s at most without a byte."""
        options.setdefault("timeout", 30)
        url = path if "://" in path else f"https://{self.name}{path}"
        return self.session.request(method, url, **options)

    def get(self, path: str, **options: Any) -> requests.Response:
        """A GET request."""
        return self.request("GET", path, **options)

    def answer(self, path: str, **options: Any) -> requests.Response:
        """A GET request without following redirects."""
        return self.get(path, allow_redirects=False, **options)

    def post_form(self, path: str, data: dict[str, str], **options: Any) -> requests.Response:
        """Load a page with a form, and send the form as a browser does: cookie, token and referrer included."""
        page = self.get(path)
        token = re.search(r'name="csrfmiddlewaretoken" value="([^"]+)"', page.text)
        assert token, f"{path} holds no CSRF token: {page.status_code}"
        headers = {"Referer": page.url, **options.pop("headers", {})}
        fields = {**data, "csrfmiddlewaretoken": token[1]}
        return self.request("POST", path, data=fields, headers=headers, **options)


def visitor(address: str) -> Visitor:
    """A client of shop.example, which is served by the old certificate and the new one in turn."""
    return Visitor(address, {"shop.example": b"}"}, ("/x",), interval=0.05, port=443, tls=True)
