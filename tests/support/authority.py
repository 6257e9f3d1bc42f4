# SPDX-License-Identifier: Apache-2.0
"""A certificate authority on a host: Pebble, the server with which Let's Encrypt has ACME clients tested."""

from __future__ import annotations

import json
from dataclasses import dataclass

from support.managed_host import ManagedHost
from support.waiting import wait_for

FOLDER = "/root/pebble"
TRUSTED = "/usr/local/share/ca-certificates/pebble-test.crt"
DIRECTORY_URL = "https://localhost:14000/dir"
ROOT_URL = "https://localhost:15000/roots/0"

CONFIGURATION = {
    "pebble": {
        "listenAddress": "127.0.0.1:14000",
        "managementListenAddress": "127.0.0.1:15000",
        "certificate": f"{FOLDER}/server.pem",
        "privateKey": f"{FOLDER}/server.key",
        "httpPort": 80,
        "tlsPort": 443,
        "ocspResponderURL": "",
        "externalAccountBindingRequired": False,
    }
}

# Pebble itself is reached over TLS, so the host has to believe its certificate.
CERTIFICATES = f"""
set -eu
mkdir -p {FOLDER}
cd {FOLDER}
openssl req -x509 -newkey rsa:2048 -nodes -sha256 -days 2 -subj "/CN=test authority" -keyout ca.key -out ca.pem
openssl req -newkey rsa:2048 -nodes -sha256 -subj /CN=localhost -keyout server.key -out server.csr
printf 'subjectAltName=DNS:localhost\\nbasicConstraints=critical,CA:FALSE\\n' > server.ext
openssl x509 -req -in server.csr -CA ca.pem -CAkey ca.key -CAcreateserial -days 2 -extfile server.ext -out server.pem
cp ca.pem {TRUSTED}
update-ca-certificates
"""


@dataclass(frozen=True)
class Authority:
    """Pebble on a host that has the package."""

    machine: ManagedHost

    def start(self, *names: str) -> None:
        """Let it run; these names lead to the host itself."""
        self.machine.run("sh", "-c", CERTIFICATES)
        self.machine.run("sh", "-c", f"cat > {FOLDER}/config.json", text=json.dumps(CONFIGURATION))
        # The file belongs to the container engine: it cannot be replaced, only written to.
        self.machine.run("cp", "/etc/hosts", f"{FOLDER}/hosts")
        self.machine.run("sh", "-c", "cat >> /etc/hosts", text=f"127.0.0.1 {' '.join(names)}\n")
        settings = ["--setenv=PEBBLE_VA_NOSLEEP=1", "--setenv=PEBBLE_WFE_NONCEREJECT=0"]
        self.machine.run("systemd-run", "--unit=pebble", *settings, "pebble", "-config", f"{FOLDER}/config.json")
        wait_for(lambda: self.machine.attempt("curl", "-sf", DIRECTORY_URL).returncode == 0, "Pebble answers")

    def root(self) -> str:
        """The certificate that it signs all others with; another one at each start."""
        return self.machine.run("curl", "-sf", ROOT_URL)

    def stop(self) -> None:
        """End it, and let the host be what it was."""
        self.machine.run("systemctl", "stop", "pebble", check=False)
        self.machine.run("sh", "-c", f"cat {FOLDER}/hosts > /etc/hosts")
        self.machine.run("rm", "-rf", TRUSTED, FOLDER)
        self.machine.run("update-ca-certificates", "--fresh")
