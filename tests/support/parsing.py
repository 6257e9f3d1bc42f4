# SPDX-License-Identifier: Apache-2.0
"""Texts that may mean something to httpd, and a configuration in which httpd's own parser reads them."""

from __future__ import annotations

from hypothesis import HealthCheck, Phase, settings
from hypothesis import strategies as st

from support.managed_host import ManagedHost

# Characters that mean something to httpd are frequent, all others are possible.
TEXTS = st.text(st.sampled_from("\\\"' \t\n#${}%<>;&a=/:é漢\x80") | st.characters(), min_size=1, max_size=40)
PATHS = TEXTS.map("/{}".format)
HOSTILE = [
    "\\",
    '"',
    "' '",
    "a b\\",
    '\\"',
    "#",
    "\t",
    "${PATH}",
    "%{GLOBAL}",
    "<VirtualHost *>",
    "a\nListen 81",
    "é漢😀\x80\u2028",
]
# Many texts are asked for at once: each look at httpd costs.
BATCH = settings(max_examples=2, deadline=None, database=None, phases=(Phase.explicit, Phase.generate),
                 suppress_health_check=list(HealthCheck))  # fmt: skip


def loaded(machine: ManagedHost) -> str:
    """What a configuration for tests needs of the host's own."""
    folder = "/etc/apache2/mods-enabled"
    files = f"cat {folder}/mpm_*.load {folder}/auth*.load {folder}/modwsgi.load"
    text = machine.run("sh", "-c", files) + "LoadModule info_module /usr/lib/apache2/modules/mod_info.so\n"
    return (
        text + "ServerName parser.example\nErrorLog /tmp/parser.log\nPidFile /tmp/parser.pid\nUser www-data\n"
        "Group www-data\nListen 8099\n"
    )
