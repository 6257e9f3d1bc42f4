# SPDX-License-Identifier: Apache-2.0
"""Quoting for the grammar of httpd's configuration files.

httpd reads a directive line by line: a line that ends in a backslash goes on in the next one, ``${NAME}`` is
replaced by a defined variable or by the environment *before* the line is split, and then the arguments are split
at white space unless they stand in quotes, where ``\\\\`` and ``\\"`` stand for a backslash and a quote
(``ap_cfg_getline``, ``ap_resolve_env`` and ``ap_getword_conf`` in httpd's source; the results below were
measured on Debian 12, Apache 2.4, 2026-11).
"""

from __future__ import annotations

import re

# What httpd reads back unchanged without quotes, wherever it stands on the line.
_PLAIN = re.compile(r"[A-Za-z0-9_./:@,+*=%{}~-]+\Z", re.ASCII)

# What an expression of httpd's does not take for itself.
_EXPRESSION = re.compile(r"\\|%(?={)|\$(?=[0-9])", re.ASCII)

# A line break would begin a directive of its own, NUL ends httpd's string; the others have no place in a
# configuration file and show up as nothing on a terminal. A tab is harmless within quotes.
_REFUSED = {
    "\n": "a newline",
    "\r": "a carriage return",
    "\0": "a NUL byte",
}
_LOWEST_PRINTABLE = 0x20
_DELETE = 0x7F
_SURROGATES = range(0xD800, 0xE000)


class QuotingError(ValueError):
    """A value that httpd's configuration cannot carry; the text is for the user."""


class Reference:
    """An environment variable that httpd puts in when it reads its configuration, ``${NAME}``.

    Only code makes one, never a value of the user's: what is text stays text. httpd puts the value in before it splits
    the line, so whoever sets the variable has to have checked that it holds neither a quote nor a backslash.
    """

    _NAME = re.compile(r"[A-Z][A-Z0-9_]*\Z", re.ASCII)

    def __init__(self, name: str) -> None:
        """Raises QuotingError for what is not the name of a variable."""
        if not self._NAME.match(name):
            raise QuotingError(f"{name!r} is not the name of a variable for httpd; use A-Z, 0-9 and '_'.")
        self.name = name

    def __str__(self) -> str:
        return "${" + self.name + "}"


def _refused_character(value: str) -> str:
    """What stands in the value that httpd cannot carry, as words; empty when nothing does."""
    for character in value:
        if character in _REFUSED:
            return _REFUSED[character]
        code = ord(character)
        if (code < _LOWEST_PRINTABLE and character != "\t") or code == _DELETE:
            return f"the control character U+{code:04X}"
        if code in _SURROGATES:
            return f"the lone surrogate U+{code:04X}, which UTF-8 cannot encode"
    return "'${', which httpd would replace by a variable" if "${" in value else ""


def quote(value: object, key: str = "") -> str:
    """Quote one value as one argument of an httpd directive.

    ``value`` is a string or a number; ``key`` names the setting in the error (``wsgi_apps[0].server_name``).
    Directives with options of their own (``WSGIDaemonProcess home=...``) take ``home=`` + quote(value); any other
    directive wants the whole argument quoted. Formats with ``%{...}`` are a matter of the single directive and are
    passed through.

    ``${`` is refused since httpd knows no escape for it; a Reference is the one way to have a variable.

    Raises QuotingError for a newline, a carriage return, NUL, other control characters, lone surrogates, ``${``, and
    for a value that is neither a string nor a number.
    """
    if isinstance(value, Reference):
        return f'"{value}"'
    where = f"The value of {key}" if key else "A value for httpd's configuration"
    if isinstance(value, bool) or not isinstance(value, (str, int, float)):
        raise QuotingError(f"{where} must be a string or a number, not {type(value).__name__}; correct it.")
    text = str(value)
    refused = _refused_character(text)
    if refused:
        raise QuotingError(f"{where} contains {refused}; httpd's configuration cannot carry that, so remove it.")
    if _PLAIN.match(text):
        return text
    return '"' + text.replace("\\", "\\\\").replace('"', '\\"') + '"'


def quote_realm(value: object, key: str = "") -> str:
    """Quote the argument of AuthName, so that browsers show the text as it is.

    AuthName is an expression: ``%{...}`` and ``$1`` would be replaced, and a backslash takes their meaning from them.
    httpd puts the value into a quoted string of the header WWW-Authenticate and escapes the quotes there, but not the
    backslashes (``util_expr_scan.l`` and ``ap_escape_quotes`` in httpd's source; Debian 12, Apache 2.4, 2026-11).

    Raises QuotingError as ``quote`` does.
    """
    if not isinstance(value, str):
        return quote(value, key)
    in_header = value.replace("\\", "\\\\")
    return quote(_EXPRESSION.sub(r"\\\g<0>", in_header), key)


def quote_rule(value: str, key: str = "") -> str:
    """Quote one argument of RewriteCond or RewriteRule, which mod_rewrite splits by itself: no backslash is taken away.

    Raises QuotingError as ``quote`` does, and for a value with both kinds of quotes, since there is no escape for them.
    """
    quote(value, key)
    for mark in ('"', "'"):
        if mark not in value:
            return f"{mark}{value}{mark}"
    where = f"The value of {key}" if key else "A value for a rule of httpd's"
    raise QuotingError(f"{where} holds both kinds of quotes, which a rule of httpd's cannot carry; use one of them.")
