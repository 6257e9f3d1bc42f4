# SPDX-License-Identifier: Apache-2.0
"""The certificates that the sites of a host need, for the module httpd_certificates. Runs on the control node only."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from ansible_collections.modwsgi.deploy.plugins.plugin_utils.site import tls

UNKNOWN_HOST = "unknown-host"
"""The name of the certificate for host names that no site has; no application can be called so."""


def wanted(applications: Iterable[Mapping[str, Any]], state_directory: str) -> list[dict[str, Any]]:
    """One entry for each certificate, from the complete applications; nothing without TLS."""
    secure = [a for a in applications if a["site"] == a["name"] and a["tls"] is not None]
    found = [
        {
            "name": site["name"],
            "certificate": site["tls"]["certificate"],
            "key": site["tls"]["key"],
            "names": [site["server_name"], *site["server_aliases"], *site["redirect_names"]],
            "self_signed": site["tls"]["self_signed"],
        }
        for site in secure
        if not site["tls"]["acme"]
    ]
    if secure:
        unknown = tls.self_signed_files(UNKNOWN_HOST, state_directory)
        found.append({"name": UNKNOWN_HOST, **unknown, "names": ["unknown-host.invalid"], "self_signed": True})
    return found
