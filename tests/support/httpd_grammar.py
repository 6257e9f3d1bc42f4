# SPDX-License-Identifier: Apache-2.0
"""A model of how httpd reads its configuration (ap_cfg_getline, ap_resolve_env, ap_getword_conf).

tests/unit/plugin_utils/httpd/test_quoting.py checks the model by example, the scenario `directives` against httpd.
"""

from __future__ import annotations

SPACE = " \t\n\v\f\r"  # apr_isspace
VARIABLES = {"PATH": "/bin", "APACHE_LOG_DIR": "/var/log/apache2", "": "empty", "a": "b c"}


def directives(text: str) -> list[list[str]]:
    """Read a configuration as httpd does (ap_cfg_getline, ap_resolve_env, ap_getword_conf)."""
    found = []
    pending = ""
    for physical in text.split("\n"):
        line = pending + physical
        if line.endswith("\\"):
            pending = line[:-1]
            continue
        pending = ""
        line = line.strip(SPACE)
        if line and not line.startswith("#"):
            found.append(arguments(expand(line)))
    return found


def expand(line: str) -> str:
    """Replace ``${NAME}`` where NAME is defined, without looking at the result again."""
    result = ""
    while "${" in line:
        before, _, rest = line.partition("${")
        name, closed, after = rest.partition("}")
        if not closed or name not in VARIABLES:
            result, line = result + before + "${", rest
        else:
            result, line = result + before + VARIABLES[name], after
    return result + line


def arguments(line: str) -> list[str]:
    """Split at white space outside of quotes."""
    found, at = [], 0
    while at < len(line):
        if line[at] in SPACE:
            at += 1
            continue
        if line[at] in "\"'":
            word, at = quoted(line, at)
        else:
            end = at
            while end < len(line) and line[end] not in SPACE:
                end += 1
            word, at = line[at:end], end
        found.append(word)
    return found


def quoted(line: str, at: int) -> tuple[str, int]:
    """A word in quotes and where the line goes on."""
    mark, word, at = line[at], "", at + 1
    while at < len(line) and line[at] != mark:
        if line[at] == "\\" and line[at + 1 : at + 2] in ("\\", mark):
            at += 1
        word, at = word + line[at], at + 1
    return word, at + 1


def options(text: str) -> dict[str, str]:
    """Read options as mod_wsgi does (wsgi_parse_option): a name, an equals sign, and a word in quotes or without."""
    found, at = {}, 0
    while at < len(text):
        if text[at] in SPACE:
            at += 1
            continue
        end = text.index("=", at)
        name, at = text[at:end], end + 1
        if at < len(text) and text[at] in "\"'":
            found[name], at = quoted(text, at)
        else:
            end = min((text.find(space, at) % (len(text) + 1) for space in SPACE), default=len(text))
            found[name], at = text[at:end], end
    return found
