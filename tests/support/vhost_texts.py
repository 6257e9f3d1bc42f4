# SPDX-License-Identifier: Apache-2.0
"""Every text that a vhost can have: where it is given, and where httpd has to find it."""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from ansible_collections.modwsgi.deploy.plugins.plugin_utils.site.extra_config import logical_lines
from ansible_collections.modwsgi.deploy.plugins.plugin_utils.site.names import network

FILES = "/tmp/parser-files"
"""Where the files are that httpd looks at when it reads their names."""

CURRENT = "/srv/wsgi/site/current"
PAIR = {"certificate": f"{FILES}/x", "key": f"{FILES}/x"}


TAME = ["a.b-c_d~e", "sub.domain-1", "x:8080/a%2F", "192.0.2.0/24", "X-Forwarded-For", "C.UTF-8"]
"""Texts of which keys that take few characters accept some."""


def arguments(line: str) -> list[str]:
    """The words of a directive as httpd splits them (``ap_getword_conf``): its name, and what it is given."""
    words, rest = [], line.removesuffix(">" if line.startswith("<") else "").strip()
    while rest:
        found = re.match(r"""(["'])(?P<quoted>(?:\\.|(?!\1)[^\\])*)\1|(?P<plain>\S+)""", rest)
        assert found, f"a quote without an end: {line!r}"
        quoted = found["quoted"]
        words.append(found["plain"] if quoted is None else re.sub(r"""\\([\\"'])""", r"\1", quoted))
        rest = rest[found.end() :].lstrip()
    return words


def options(line: str) -> list[str]:
    """The words of a directive whose options mod_wsgi takes apart: the quotes stand around the value alone."""
    words = re.findall(r'[^\s"=]+="(?:\\.|[^\\"])*"|\S+', line)
    return [re.sub(r"\\(.)", r"\1", re.sub(r'="(.*)"\Z', r"=\1", word)) for word in words]


def after_the_provider(line: str) -> list[str]:
    """What a provider of Require gets, which splits it itself."""
    return [line.removeprefix("Require user").strip()]


@dataclass(frozen=True)
class Text:
    """A key of `wsgi_apps[]` whose value is any text that is not refused.

    change: the keys that give an application this text. directive: what carries it in httpd's configuration.
    argument: the text as httpd has to find it among the words of that directive. plain: a text that is never refused.
    read: the words of a line. without: what no value holds, since it is not text there.
    """

    key: str
    change: Callable[[str], Mapping[str, Any]]
    directive: str
    argument: Callable[[str], str] = str
    plain: str = "/plain"
    read: Callable[[str], list[str]] = arguments
    without: str = ""

    def candidates(self, text: str) -> list[str]:
        """Values that hold the text, so that some are accepted."""
        if self.plain.startswith(FILES):
            return [self.plain + text.replace("/", "")]
        found = [text, f"/{text}", f"{self.plain}{text}"]
        return [value for value in found if not self.without or self.without not in value]


def in_expression(realm: str) -> str:
    """A realm in the quoted string of a header, and that in an expression of httpd's."""
    for before, after in (("\\", "\\\\"), ("\\", "\\\\"), ("%{", "\\%{")):
        realm = realm.replace(before, after)
    return re.sub(r"\$([0-9])", r"\\$\1", realm)


def _of_release(file: str) -> str:
    return file if file.startswith("/") else f"{CURRENT}/{file}"


def _url(path: str) -> str:
    return "/" + path.strip("/")


def _auth(**keys: Any) -> dict[str, Any]:
    return {"auth": [{"path": "/in", "user_file": "/etc/users", **keys}]}


def _static(**keys: Any) -> dict[str, Any]:
    return {"static": [{"url": "/s", "directory": "/srv/d", **keys}]}


def _backend(**keys: Any) -> dict[str, Any]:
    return {"backends": [{"path": "/b", "url": "http://b/", **keys}]}


KEYS = (
    Text("path", lambda text: {"path": text}, "WSGIScriptAlias", _url),
    Text("server_name", lambda text: {"server_name": text}, "ServerName", plain="plain.example"),
    Text("server_aliases", lambda text: {"server_aliases": [text]}, "ServerAlias", plain="plain.example"),
    Text("redirect_names", lambda text: {"redirect_names": [text]}, "ServerName", plain="plain.example"),
    Text("lang", lambda text: {"lang": text}, "WSGIDaemonProcess", "lang={}".format, "C", options),
    Text("locale", lambda text: {"locale": text}, "WSGIDaemonProcess", "locale={}".format, "C", options),
    Text("redirects[].from", lambda text: {"redirects": [{"from": text, "to": "/to"}]}, "Redirect"),
    Text(
        "redirects[].from, exact",
        lambda text: {"redirects": [{"from": text, "to": "/to", "exact": True}]},
        "RedirectMatch",
        lambda text: f"^{re.escape(text)}$",
    ),
    Text("redirects[].to", lambda text: {"redirects": [{"from": "/from", "to": text}]}, "Redirect"),
    Text("headers[].name", lambda text: {"headers": [{"name": text, "value": "x"}]}, "Header", plain="X-Plain"),
    Text(
        "headers[].value",
        lambda text: {"headers": [{"name": "X-Text", "value": text}]},
        "Header",
        lambda text: text.replace("\\", r"\\").replace("%", "%%"),
        "plain",
    ),
    Text(
        "error_documents[].file",
        lambda text: {"error_documents": [{"status": 404, "file": text}]},
        "Alias",
        _of_release,
    ),
    Text("maintenance.page", lambda text: {"maintenance": {"page": text}}, "Alias", _of_release),
    Text("body_limits[].path", lambda text: {"body_limits": [{"path": text, "max_body_size": 1}]}, "<Location", _url),
    Text("static[].url", lambda text: _static(url=text), "Alias", _url),
    Text("static[].directory", lambda text: _static(directory=text), "Alias", os.path.normpath),
    Text("auth[].path", lambda text: _auth(path=text), "<Location", _url),
    Text("auth[].type", lambda text: _auth(type=text, user_file=""), "AuthType", plain="Plain"),
    Text("auth[].realm", lambda text: _auth(realm=text), "AuthName", in_expression, "Plain"),
    Text("auth[].user_file", lambda text: _auth(user_file=text), "AuthUserFile"),
    Text(
        "auth[].require[]",
        lambda text: _auth(require=[f"user {text}"]),
        "Require",
        str.strip,
        "plain",
        after_the_provider,
        "%{",
    ),
    Text(
        "trusted_proxies[]",
        lambda text: {"trusted_proxies": [text]},
        "WSGITrustedProxies",
        lambda text: str(network(text)),
        "192.0.2.9",
    ),
    Text(
        "trusted_proxy_headers[]",
        lambda text: {"trusted_proxies": ["192.0.2.1"], "trusted_proxy_headers": [text]},
        "WSGITrustedProxyHeaders",
        plain="X-Real-IP",
    ),
    Text("backends[].path", lambda text: _backend(path=text), "<Location", _url),
    Text("backends[].url", lambda text: _backend(url=text), "ProxyPass", plain="http://plain/"),
    Text(
        "tls.certificate", lambda text: {"tls": {**PAIR, "certificate": text}}, "SSLCertificateFile", plain=f"{FILES}/x"
    ),
    Text("tls.key", lambda text: {"tls": {**PAIR, "key": text}}, "SSLCertificateKeyFile", plain=f"{FILES}/x"),
    Text(
        "tls.acme_challenge_directory",
        lambda text: {"tls": {**PAIR, "acme_challenge_directory": text}},
        "Alias",
    ),
)


def directives(text: str) -> Iterator[str]:
    """The lines of a configuration that httpd acts on, joined as it joins them."""
    for _, line in logical_lines(text):
        if line and not line.startswith("#"):
            yield line
