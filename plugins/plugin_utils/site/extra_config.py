# SPDX-License-Identifier: Apache-2.0
"""A check of directives that an operator adds to what is generated: they may add, and not take over.

httpd reads such a text line by line. A line that ends in a backslash goes on in the next one, comments included, and
``${NAME}`` is replaced before the line is split (``ap_cfg_getline`` in httpd's source). Sections nest; one that ends
what it did not begin would end our own section.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import cache

from ansible_collections.modwsgi.deploy.plugins.plugin_utils.mod_wsgi import directives
from ansible_collections.modwsgi.deploy.plugins.plugin_utils.site.subject import App, Problems, Subject

OWNED = {
    "listen": "httpd_listen says where httpd listens",
    "servername": "server_name names the site",
    "serveralias": "server_aliases has the further names",
    "documentroot": "static publishes folders",
    "errorlog": "httpd_log_destination says where logs go",
    "customlog": "httpd_log_destination says where logs go",
    "transferlog": "httpd_log_destination says where logs go",
    "globallog": "httpd_log_destination says where logs go",
    "errorlogformat": "httpd_log_format says how logs look",
    "logformat": "httpd_log_format says how logs look",
    "limitrequestbody": "max_body_size and body_limits have the limits",
    "sslengine": "tls turns it on",
    "sslcertificatefile": "tls.certificate names the file",
    "sslcertificatekeyfile": "tls.key names the file",
    "user": "the role httpd has the account",
    "group": "the role httpd has the account",
    "pidfile": "the role httpd has the file",
    "serverroot": "the role httpd has the folder",
    "reloaddraintimeout": "mod_wsgi_reload_drain_timeout sets it",
    "bufferingrequests": "request_buffering sets it",
    "bufferingresponses": "response_buffering sets it",
    "admissiongroup": "admission sets it",
    "loadmodule": "httpd_extra_modules enables modules",
    "include": "write the directives themselves",
    "includeoptional": "write the directives themselves",
    "use": "write the directives themselves",
    "<virtualhost": "an application of its own makes a vhost",
    "<macro": "write the directives themselves",
    "<perl": "write the directives themselves",
}
"""Directives of httpd that are ours, in lower case, with what to do instead; those of mod_wsgi all are."""

_BEGIN = re.compile(r"<([A-Za-z]\w*)(?:\s.*)?>", re.ASCII)
_END = re.compile(r"</([A-Za-z]\w*)\s*>", re.ASCII)
_NAME = re.compile(r"[A-Za-z]\w*", re.ASCII)
BLANKS = " \t"
"""httpd's own, of those that a text may have; the many further blanks of Unicode are letters to it."""


def logical_lines(text: str) -> Iterator[tuple[int, str]]:
    """The lines as httpd joins them, each with the number of its first one; without blanks around it."""
    begun, number = "", 0
    for index, line in enumerate(text.split("\n"), 1):
        number = number or index
        if line.endswith("\\"):
            begun += line[:-1]
            continue
        yield number, (begun + line).strip(BLANKS)
        begun, number = "", 0
    if number:
        yield number, begun.strip(BLANKS)


def _control_characters(text: str) -> Iterator[str]:
    for number, line in enumerate(text.split("\n"), 1):
        if any((ord(character) < 32 and character != "\t") or ord(character) == 127 for character in line):
            yield f"line {number} holds a control character; remove it"


def problems(text: str) -> list[str]:
    """What is wrong with additional directives, one clause each; empty when httpd can have them inside a section."""
    found = list(_control_characters(text))
    if found:
        return found
    if text.endswith("\\"):
        return [f"line {text.count(chr(10)) + 1} ends in a backslash, which would join it to what follows; remove it"]
    opened: list[tuple[int, str]] = []
    for number, line in logical_lines(text):
        if line and not line.startswith("#"):
            found += _line_problems(number, line, opened)
    found += [f"line {number}: the section <{name}> is not closed; add </{name}>" for number, name in opened]
    return found


def _line_problems(number: int, line: str, opened: list[tuple[int, str]]) -> list[str]:
    end = _END.fullmatch(line)
    if end:
        if opened and opened[-1][1].lower() == end[1].lower():
            opened.pop()
            return []
        return [f"line {number}: {line} closes a section that was not opened there; remove it"]
    if line.startswith("<"):
        begin = _BEGIN.fullmatch(line)
        if not begin:
            return [f"line {number}: {line[:40]!r} is not a section; write it like <Location /path>"]
        opened.append((number, begin[1]))
        return _owned(number, begin[1], f"<{begin[1]}")
    name = re.split(f"[{BLANKS}]", line, maxsplit=1)[0]
    if not _NAME.fullmatch(name):
        return [f"line {number}: {name[:40]!r} is not the name of a directive; correct it"]
    return _owned(number, name, name)


@cache
def _of_mod_wsgi() -> dict[str, str]:
    """The directives of mod_wsgi, in lower case, with the keys that set them."""
    return {
        setting.title.rstrip(">").lower(): f"{_keys(setting)} sets it"
        for setting in directives.table(directives.DIRECTIVES)
    }


def _keys(setting: directives.Setting) -> str:
    if not setting.type:
        return ", ".join(setting.set_by) or "nothing"
    variable = "mod_wsgi_directives" if directives.SERVER in setting.at else "wsgi_directives"
    return f"{variable}.{setting.key}"


def _owned(number: int, name: str, key: str) -> list[str]:
    instead = OWNED.get(key.lower()) or _of_mod_wsgi().get(key.lower())
    return [f"line {number}: the role itself sets {name} ({instead}); remove the line"] if instead else []


def lines(text: str) -> list[str]:
    """Additional directives, line by line as the operator wrote them."""
    found = text.rstrip("\n").split("\n") if text else []
    return [line if line.endswith("\\") else line.rstrip() for line in found]


def check(application: App) -> Problems:
    """Directives for the end of the vhost."""
    text = application["extra_config"]
    for problem in problems(text):
        yield "extra_config", problem
    if any(0xD800 <= ord(character) < 0xE000 for character in text):
        yield "extra_config", "it holds a lone surrogate, which UTF-8 cannot encode; remove it"


SUBJECT = Subject(check, of_site=("extra_config",))
