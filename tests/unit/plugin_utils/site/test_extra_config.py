# SPDX-License-Identifier: Apache-2.0
"""Directives of an operator's own may add, and not take over."""

from __future__ import annotations

import re

import pytest
from ansible_collections.modwsgi.deploy.plugins.plugin_utils.site import extra_config
from hypothesis import given
from hypothesis import strategies as st

GOOD = """\
# A comment with ServerName in it
Header set X-A \\
    "b"
<Location "/x">
    <RequireAll>
\tRequire all granted
    </RequireAll>
</location>
"""


@pytest.mark.parametrize("text", ["", GOOD, "RewriteEngine On", "<IfModule x>\n</IfModule>"])
def test_additions_are_fine(text: str) -> None:
    assert extra_config.problems(text) == []


@pytest.mark.parametrize(
    ("text", "part"),
    [
        ("ServerName x", "line 1: the role itself sets ServerName (server_name names the site); remove the line"),
        ("\n  sErVeRnAmE x", "line 2: the role itself sets sErVeRnAmE"),
        ("Server\\\nName x", "line 1: the role itself sets ServerName"),
        ('"ServerName" x', "line 1: '\"ServerName\"' is not the name of a directive"),
        ("${X} y", "'${X}' is not the name of a directive"),
        ("WSGIDaemonProcess x user=root", "sets WSGIDaemonProcess"),
        ("WSGIScriptAlias / /x", "sets WSGIScriptAlias"),
        ("<Location /x>\nDocumentRoot /\n</Location>", "line 2: the role itself sets DocumentRoot"),
        ("ErrorLog /x", "sets ErrorLog"),
        ("Listen 81", "sets Listen"),
        ("ReloadDrainTimeout 9", "sets ReloadDrainTimeout (mod_wsgi_reload_drain_timeout sets it)"),
        ("Include /etc/passwd", "sets Include"),
        ("</VirtualHost>", "line 1: </VirtualHost> closes a section that was not opened there"),
        ("<Location />\n</VirtualHost>", "line 2: </VirtualHost> closes a section"),
        ("<Location />", "line 1: the section <Location> is not closed; add </Location>"),
        ("<VirtualHost *:80>\n</VirtualHost>", "sets VirtualHost"),
        ("<Location /", "is not a section"),
        ("# a comment that goes on \\", "line 1 ends in a backslash"),
        ("Header set X y\\", "ends in a backslash"),
        ("Header set X y\rServerName z", "line 1 holds a control character"),
        ("\0", "line 1 holds a control character"),
        ("\x85", "is not the name of a directive"),
        ("\u00a0# no comment", "is not the name of a directive"),
        ("Header\u2003set A b", "is not the name of a directive"),
    ],
)
def test_what_takes_over_is_refused(text: str, part: str) -> None:
    assert part in "; ".join(extra_config.problems(text))


def as_httpd_reads(text: str) -> list[str]:
    """The directives' names in the order of httpd's own reading: joined at backslashes, blanks removed, lower case."""
    lines = text.replace("\\\n", "").split("\n")
    stripped = (line.strip(" \t") for line in lines)
    return [re.split("[ \t]", line)[0].lower() for line in stripped if line and not line.startswith("#")]


@given(
    st.lists(
        st.sampled_from(
            ["ServerName x", "Listen 1", "\\", "#", "\n", " ", "</VirtualHost>", "<Location /x>", "Header set A b", '"']
        )
        | st.text(max_size=5),
        max_size=12,
    ).map("".join)
)
def test_no_text_gets_a_directive_of_ours_past_the_check(text: str) -> None:
    if extra_config.problems(text):
        return
    names = as_httpd_reads(text)
    assert not {"servername", "listen"} & set(names)
    depth = 0
    for name in names:
        depth += -1 if name.startswith("</") else 1 if name.startswith("<") else 0
        assert depth >= 0
    assert depth == 0
    assert not text.endswith("\\")
