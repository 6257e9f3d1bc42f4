# SPDX-License-Identifier: Apache-2.0
"""What httpd serves itself."""

from __future__ import annotations

import os
import re

import pytest
from support.applications import App, complete, problems, refused, shown, vhost

CASES: list[tuple[App, str]] = [
    ({"static": [{"url": "static", "directory": "assets"}]}, "static[0].url: is not a URL path"),
    ({"static": [{"url": '/a"b', "directory": "assets"}]}, "static[0].url: is not a URL path"),
    ({"static": [{"url": "/", "directory": "assets"}]}, "static[0].url: would hide the whole application"),
    ({"static": [{"url": "/a", "directory": "."}]}, "static[0].directory: would publish everything"),
    ({"static": [{"url": "/a", "directory": "../x"}]}, "static[0].directory: leads out of the source"),
    ({"static": [{"url": "/a", "directory": "/srv/../etc"}]}, "static[0].directory: holds '..'"),
    ({"static": [{"url": "/a", "directory": "/srv/*"}]}, "static[0].directory: is a pattern for httpd"),
    ({"static": [{"url": "/a", "directory": "/srv/[a-z]"}]}, "static[0].directory: is a pattern for httpd"),
    (
        {"static": [{"url": "/(a|b)", "directory": "assets", "precompressed": True}]},
        "static[0].url: cannot be precompressed",
    ),
    (
        {"static": [{"url": "/%{HTTP_HOST}", "directory": "assets", "precompressed": True}]},
        "static[0].url: cannot be precompressed",
    ),
    (
        {"static": [{"url": "/a", "directory": "/srv/%{HTTP_HOST}", "precompressed": True}]},
        "static[0].directory: cannot be precompressed",
    ),
    (
        {"static": [{"url": "/media", "directory": "/var/lib/wsgi/shop/media"}]},
        "static[0].directory: is in the state folder of an application, which httpd cannot enter",
    ),
    ({"static": [{"url": "/a"}]}, "static[0]: it needs exactly one of directory and file"),
    ({"static": [{"url": "/a", "directory": "assets", "file": "wsgi.py"}]}, "static[0]: it needs exactly one of"),
    ({"static": [{"url": "/a", "file": "wsgi.py", "precompressed": True}]}, "static[0].precompressed: for a directory"),
    ({"static": [{"url": "/a", "directory": "wsgi.py"}]}, "static[0].directory: 'wsgi.py' is a file in the source"),
    ({"static": [{"url": "/a", "file": "assets"}]}, "static[0].file: 'assets' is a folder in the source"),
    ({"static": [{"url": "/a", "file": "../x"}]}, "static[0].file: leads out of the source"),
    ({"static": [{"url": "/a", "directory": "nope"}]}, "static[0].directory: 'nope' is not in the source"),
    ({"static": [{"url": "/a", "directory": "as\x00sets"}]}, "static[0].directory: holds a newline, a NUL"),
    (
        {"static": [{"url": "/a", "directory": "assets"}, {"url": "/a/", "directory": "assets"}]},
        "static[1].url: is there twice",
    ),
    ({"static": [{"url": "/a", "directory": "assets", "cache_seconds": -1}]}, "static[0].cache_seconds: is negative"),
]


@pytest.mark.parametrize(("change", "start"), CASES)
def test_a_defect_is_named_in_one_sentence(shop: App, change: App, start: str) -> None:
    refused(shop, change, start)


def test_the_complete_form(shop: App) -> None:
    (found,) = complete({**shop, "static": [{"url": "/static/", "directory": "assets/"}]})
    assert found["static"] == [
        {
            "url": "/static",
            "directory": "/srv/wsgi/shop/current/assets",
            "file": "",
            "cache_seconds": 3600,
            "precompressed": False,
            "immutable": False,
            "links": True,
            "previous": "static-e977d029262c",
        }
    ]


def test_a_single_file_publishes_nothing_beside_it(shop: App) -> None:
    text = vhost(shop, static=[{"url": "/robots.txt", "file": "wsgi.py", "cache_seconds": 60}])
    assert "Alias /robots.txt /srv/wsgi/shop/current/wsgi.py\n" in text
    folder = text.partition("Alias /robots.txt ")[2].partition("</Directory>")[0]
    assert "<Directory /srv/wsgi/shop/current>" in folder
    before, inside = folder.split("<Files wsgi.py>")
    assert "Require" not in before
    assert "Require all granted" in inside


@pytest.mark.parametrize(
    ("directory", "options"),
    [("assets", "SymLinksIfOwnerMatch"), ("/var/www/assets", "None"), ("/srv/wsgi/shop/current-assets", "None")],
)
def test_links_are_followed_where_all_is_root_s(shop: App, directory: str, options: str) -> None:
    text = vhost(shop, static=[{"url": "/static", "directory": directory}])
    folder = text.partition("Alias /static ")[2].partition("</Directory>")[0]
    assert f"Options {options}\n" in folder


def test_files_do_not_hide_another_application(shop: App, blog: App) -> None:
    (sentence,) = problems({**shop, "static": [{"url": "/blog", "directory": "static"}]}, blog)
    assert "'shop', key static[0].url: /blog would hide the application 'blog'" in sentence


def rules(text: str) -> list[str]:
    """The rules by which httpd looks at the previous release."""
    lines = shown(text)
    begin = next(index for index, line in enumerate(lines) if "pages of the previous release" in line)
    return [line for line in lines[begin + 1 :] if line.startswith("Rewrite")]


def test_what_the_current_release_lacks_comes_from_the_previous_one_for_a_while(shop: App) -> None:
    text = vhost(shop, static=[{"url": "/static/", "directory": "assets"}])
    assert rules(text) == [
        'RewriteCond "/srv/wsgi/shop/current/assets/$1" "!-f"',
        'RewriteCond "/srv/wsgi/shop/previous/static-e977d029262c/$1" "-f"',
        'RewriteCond "expr" "%{TIME} -lt file(\'/srv/wsgi/shop/previous/until\')"',
        'RewriteRule "^/static/([^?]+)$" "/srv/wsgi/shop/previous/static-e977d029262c/$1" [L]',
    ]
    assert shown(text).count("RewriteEngine On") == 1


def test_the_same_holds_for_files_of_both_releases(shop: App) -> None:
    text = vhost(shop, static=[{"url": "/static", "directory": "assets", "cache_seconds": 5, "precompressed": True}])
    folders = [part.partition("</Directory>")[0] for part in text.split("<Directory ") if part.startswith("/srv")]
    current, previous = (each.partition(">") for each in folders if "Cache-Control" in each)
    assert (current[0], previous[0]) == (
        "/srv/wsgi/shop/current/assets",
        "/srv/wsgi/shop/previous/static-e977d029262c",
    )
    assert current[2] == previous[2]
    assert 'FilesMatch "^\\."' in previous[2]


def test_what_is_in_hidden_folders_is_closed_but_for_well_known(shop: App) -> None:
    condition = re.compile(r'<If "%\{REQUEST_URI\} =~ m#(.*)#">\n +Require all denied\n')
    (of_current, of_previous) = condition.findall(vhost(shop, static=[{"url": "/static/", "directory": "assets"}]))
    assert of_current == of_previous
    closed = re.compile(of_current)
    for path in ("/static/.secret/a.txt", "/static/a/.x/b/c.txt", "/static/.well-known-not/a", "/static/.env"):
        assert closed.search(path)
    for path in ("/static/a.txt", "/static/a/b.c/d.e", "/static/.well-known/security.txt", "/static/.well-known"):
        assert not closed.search(path)
    # A URL that has a dot itself is meant.
    assert not condition.search(vhost(shop, static=[{"url": "/.assets/", "directory": "assets"}]))


def test_a_compressed_file_of_the_previous_release_is_for_a_file_that_the_current_one_lacks(shop: App) -> None:
    text = vhost(shop, static=[{"url": "/static", "directory": "assets", "precompressed": True}])
    brotli, gzip, plain = ("\n".join(rules(text)).split("[L]"))[:3]
    for kind, encoding, ending in ((brotli, "br", "br"), (gzip, "gzip", "gz")):
        assert f"\\s*{encoding}\\s*" in kind
        assert 'current/assets/$1" "!-f"' in kind
        assert re.search(rf'previous/static-[0-9a-f]{{12}}/\$1\.{ending}" "-f"', kind)
    assert "Accept-Encoding" not in plain
    assert shown(text).count("RewriteEngine On") == 1


@pytest.mark.parametrize(
    "change",
    [
        {"static": [{"url": "/static", "directory": "assets"}], "releases": {"keep_static_seconds": 0}},
        {"static": [{"url": "/static", "directory": "assets"}], "mode": "embedded"},
        {"static": [{"url": "/media", "directory": "/srv/media"}]},
        {"static": [{"url": "/robots.txt", "file": "wsgi.py"}]},
    ],
)
def test_nothing_of_the_previous_release_is_served_otherwise(shop: App, change: App) -> None:
    text = vhost(shop, **change)
    assert "previous" not in text
    assert "Rewrite" not in text


def test_what_is_below_a_folder_by_other_keys_stays_theirs(shop: App) -> None:
    """The rules come first, but a path belongs to what it belonged to."""
    static = [{"url": "/s/admin", "directory": "static"}, {"url": "/s", "directory": "assets"}]
    redirects = [{"from": "/s/old", "to": "/new"}, {"from": "/s/one.css", "to": "/two.css", "exact": True}]
    text = vhost(shop, static=static, redirects=redirects)
    of_all = [rule for rule in "\n".join(rules(text)).split("[L]") if '"^/s/([^?]+)$"' in rule]
    assert len(of_all) == 1
    assert [line for line in of_all[0].splitlines() if "REQUEST_URI" in line] == [
        'RewriteCond "%{REQUEST_URI}" "!^/s/admin(?:/|$)"',
        'RewriteCond "%{REQUEST_URI}" "!^/s/old(?:/|$)"',
        'RewriteCond "%{REQUEST_URI}" "!^/s/one\\.css$"',
    ]


def test_a_name_is_no_part_of_a_rule(shop: App) -> None:
    """mod_rewrite would put in variables and what it has found, and take a URL for a regular expression."""
    os.makedirs(f"{shop['source']['directory']}/a %{{HTTP_HOST}} $1")
    text = vhost(shop, static=[{"url": "/(a|b)+$1%{X}", "directory": "a %{HTTP_HOST} $1"}])
    found = rules(text)
    assert found[0] == r'RewriteCond "/srv/wsgi/shop/current/a \%{HTTP_HOST} \$1/$1" "!-f"'
    assert found[-1].startswith(r'RewriteRule "^/\(a\|b\)\+\$1%\{X\}/([^?]+)$" "/srv/wsgi/shop/previous/a-b-1-X-')


def test_another_folder_has_another_link(shop: App) -> None:
    names = {
        complete({**shop, "static": [{"url": url, "directory": folder}]})[0]["static"][0]["previous"]
        for url, folder in (("/a", "assets"), ("/a", "static"), ("/b", "assets"))
    }
    assert len(names) == 3
