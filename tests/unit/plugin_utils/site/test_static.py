# SPDX-License-Identifier: Apache-2.0
"""What httpd serves itself."""

from __future__ import annotations

import pytest
from support.applications import App, complete, problems, refused, vhost

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
