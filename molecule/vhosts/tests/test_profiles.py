# SPDX-License-Identifier: Apache-2.0
"""An independent scanner finds the sites as Mozilla's profile wants them, with the same edition of the profile."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path

import pytest
from support import tls_scanner
from support.managed_host import ManagedHost

PROFILES = Path(__file__).resolve().parents[3] / "roles" / "wsgi_app" / "files" / "tls_profiles.json"
SHOW = """
import json, pathlib, sslyze
folder = pathlib.Path(sslyze.__file__).parent / "mozilla_tls_profile"
print(json.dumps([json.loads(path.read_text()) for path in folder.glob("*.json")]))
"""


@pytest.mark.parametrize("name", ["guestbook.example", "shop.example"])
def test_a_site_is_as_the_intermediate_profile_wants_it(machine: ManagedHost, trusted: str, name: str) -> None:
    found = tls_scanner.scan(name, machine.address(), "intermediate", trusted)
    assert f"{name}:443: OK - Compliant" in found, found


def test_our_profiles_are_mozilla_s() -> None:
    shown = subprocess.run(
        [str(tls_scanner.python()), "-c", SHOW], capture_output=True, text=True, timeout=60, check=True
    ).stdout
    (theirs,) = json.loads(shown)
    ours = json.loads(PROFILES.read_text(encoding="utf-8"))
    assert str(theirs["version"]) == ours["version"]
    for name, profile in ours["profiles"].items():
        configuration = theirs["configurations"][name]
        assert profile == {
            "protocols": configuration["tls_versions"],
            "ciphers": configuration["ciphers"]["openssl"],
            "ciphersuites": configuration["ciphersuites"],
            "curves": configuration["tls_curves"],
            "server_preferred_order": configuration["server_preferred_order"],
        }
