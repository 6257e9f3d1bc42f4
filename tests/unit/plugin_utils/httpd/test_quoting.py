# SPDX-License-Identifier: Apache-2.0
"""A quoted value reaches httpd unchanged, as one argument, on its own line; what cannot is refused by name."""

from __future__ import annotations

import pytest
from ansible_collections.modwsgi.deploy.plugins.plugin_utils.httpd.quoting import (
    QuotingError,
    quote,
    quote_realm,
    quote_rule,
)
from hypothesis import assume, example, given
from hypothesis import strategies as st
from support.httpd_grammar import directives

# Characters that mean something to httpd are frequent, all others are possible.
VALUES = st.text(st.sampled_from("\\\"' \t#${}%<>;&a=é漢😀\x80\x85\u2028") | st.characters(), max_size=40)


def carried(value: str) -> str:
    """The quoted value; the example is skipped where it is refused."""
    try:
        return quote(value)
    except QuotingError:
        assume(False)
        raise


def test_the_model_reads_what_httpd_reads() -> None:
    text = 'A "x y" \\\n  z\n# no\nB ${PATH} "${a}" ${NONE} \'q\\\'\' "a\\b"'
    assert directives(text) == [["A", "x y", "z"], ["B", "/bin", "b c", "${NONE}", "q'", "a\\b"]]


@given(VALUES, VALUES)
@example("\\", "\\")
@example('ends in \\"', "")
@example("#", " leading and trailing ")
@example("$", "{PATH}")
def test_values_come_back_unchanged_and_add_no_directive(first: str, second: str) -> None:
    text = f"Before x\nDirective {carried(first)} {carried(second)}\nAfter y\n"
    assert directives(text) == [["Before", "x"], ["Directive", first, second], ["After", "y"]]


@given(st.text(), st.sampled_from(["\n", "\r", "\0", "\x01", "\x0b", "\x1b", "\x7f", "\ud800", "${"]), st.text())
def test_what_httpd_cannot_carry_is_refused(before: str, bad: str, after: str) -> None:
    with pytest.raises(QuotingError):
        quote(before + bad + after)


@pytest.mark.parametrize(
    ("value", "named"),
    [
        ("a\nInclude /etc/shadow", "a newline"),
        ("a\rb", "a carriage return"),
        ("a\0b", "a NUL byte"),
        ("a\x1bb", "the control character U+001B"),
        ("${APACHE_LOG_DIR}", "'${', which httpd would replace by a variable"),
    ],
)
def test_the_refusal_names_the_key_and_the_reason(value: str, named: str) -> None:
    with pytest.raises(QuotingError) as refusal:
        quote(value, "wsgi_apps[0].server_name")
    assert str(refusal.value) == (
        f"The value of wsgi_apps[0].server_name contains {named}; "
        "httpd's configuration cannot carry that, so remove it."
    )


@pytest.mark.parametrize("value", [None, True, ["a"], {"a": 1}, b"a"])
def test_only_strings_and_numbers_are_values(value: object) -> None:
    with pytest.raises(QuotingError, match="must be a string or a number"):
        quote(value)


@pytest.mark.parametrize("value", ["www.example.org", "/srv/wsgi/shop/current", "%{GLOBAL}", 80, "a@b", "1.5"])
def test_plain_values_stay_readable(value: object) -> None:
    assert quote(value) == str(value)


def test_an_empty_value_is_an_argument() -> None:
    assert quote("") == '""'


@pytest.mark.parametrize(
    ("realm", "written"),
    [
        ("Staff", "Staff"),
        ("100% of $us", '"100% of $us"'),
        ("%{REQUEST_URI}", '"\\\\%{REQUEST_URI}"'),
        ("a $1", '"a \\\\$1"'),
        # Two for the header, each of them escaped in the expression, and each of these in the line.
        ("a\\b", '"' + "a" + 8 * "\\" + 'b"'),
        ('the "own"', '"the \\"own\\""'),
    ],
)
def test_a_realm_is_no_expression(realm: str, written: str) -> None:
    assert quote_realm(realm) == written


def test_a_realm_is_refused_for_what_no_line_can_carry() -> None:
    with pytest.raises(QuotingError, match="a newline"):
        quote_realm("a\nb", "realm")
    with pytest.raises(QuotingError, match="must be a string"):
        quote_realm(True, "realm")


@pytest.mark.parametrize(
    ("value", "written"),
    [(r"^/a\.css$", r'"^/a\.css$"'), ('a"b', "'a\"b'"), ("a'b", '"a\'b"'), (r"\%{X}/$1", r'"\%{X}/$1"')],
)
def test_a_rule_keeps_its_backslashes(value: str, written: str) -> None:
    assert quote_rule(value) == written


@pytest.mark.parametrize("value", ["a'b\"c", "a\nb", "a${HOME}"])
def test_a_rule_is_refused_for_what_it_cannot_carry(value: str) -> None:
    with pytest.raises(QuotingError, match=r"remove it|use one of them|replace by a variable"):
        quote_rule(value)
