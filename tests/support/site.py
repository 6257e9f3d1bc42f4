# SPDX-License-Identifier: Apache-2.0
"""A client of one site: right Host header, cookies kept, addressed by IP so that no name service is needed."""

from __future__ import annotations

import re
import socket
from dataclasses import dataclass, field
from typing import Any

import requests

from support.waiting import wait_for


@dataclass
class Site:
    """An application as its visitors see it."""

    address: str
    host_name: str
    port: int = 80
    session: requests.Session = field(default_factory=requests.Session)

    def request(self, method: str, path: str, **options: Any) -> requests.Response:
        """One request; redirects are followed, 30 s at most without a byte."""
        headers = {"Host": self.host_name, **options.pop("headers", {})}
        options.setdefault("timeout", 30)
        # Never through a proxy that the environment names: the host is a neighbour.
        self.session.trust_env = False
        return self.session.request(method, self.url(path), headers=headers, **options)

    def get(self, path: str, **options: Any) -> requests.Response:
        """A GET request."""
        return self.request("GET", path, **options)

    def url(self, path: str) -> str:
        """The address that is asked."""
        return f"http://{self.address}:{self.port}{path}"

    def post_form(self, path: str, data: dict[str, str], **options: Any) -> requests.Response:
        """Load a page with a form, and send the form as a browser does: cookie and token included."""
        page = self.get(path)
        assert page.status_code == 200, page.text
        token = re.search(r'name="csrfmiddlewaretoken" value="([^"]+)"', page.text)
        assert token, f"{path} holds no CSRF token"
        fields = {**data, "csrfmiddlewaretoken": token[1]}
        return self.request("POST", path, data=fields, allow_redirects=False, **options)

    def health(self) -> int | str:
        """The status of the health path, or why there is none; never raises, so that it can be asked again."""
        try:
            return self.get("/healthz", timeout=5).status_code
        except requests.RequestException as error:
            return str(error)

    def wait_until_it_answers(self, deadline: float = 30.0) -> None:
        """Return as soon as the health path answers 200."""
        wait_for(lambda: self.health() == 200, f"{self.host_name} answers /healthz with 200", deadline)


def accepts_connections(address: str, port: int) -> bool:
    """Whether anything listens there for us."""
    try:
        with socket.create_connection((address, port), timeout=5):
            return True
    except ConnectionRefusedError:
        return False
