# SPDX-License-Identifier: Apache-2.0
"""What an application names is in its release, or the release is refused by the key."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from ansible_collections.modwsgi.deploy.plugins.module_utils.deploy import release
from ansible_collections.modwsgi.deploy.plugins.module_utils.deploy.release import ReleaseError, check_files, release_of
from support.applications import complete

COMMIT = "0123456789" * 4
WRITTEN: dict[str, Any] = {
    "name": "shop",
    "source": {"git": "https://git.example.com/shop.git", "version": COMMIT},
    "server_name": "shop.example",
}
NAMED: list[tuple[dict[str, Any], str, str]] = [
    ({"requirements": "dev.txt"}, "requirements", "dev.txt"),
    ({"python_path": ["lib"]}, "python_path[0]", "lib"),
    ({"static": [{"url": "/s", "directory": "css"}]}, "static[0].directory", "css"),
    ({"static": [{"url": "/r", "file": "robots.txt"}]}, "static[0].file", "robots.txt"),
    ({"error_documents": [{"status": 404, "file": "404.html"}]}, "error_documents[0].file", "404.html"),
    ({"maintenance": {"page": "soon.html"}}, "maintenance.page", "soon.html"),
    (
        {"wsgi_directives": {"import_scripts": [{"script": "warm.py"}]}},
        "wsgi_directives.import_scripts[0].script",
        "warm.py",
    ),
    (
        {"wsgi_directives": {"locations": [{"path": "/x", "access_script": {"script": "who.py"}}]}},
        "wsgi_directives.locations[0].access_script.script",
        "who.py",
    ),
]


def application(**keys: Any) -> dict[str, Any]:
    (found,) = complete({**WRITTEN, **keys})
    return found


@pytest.fixture(name="made")
def fixture_made(tmp_path: Path) -> Path:
    (tmp_path / "wsgi.py").touch()
    return tmp_path


@pytest.mark.parametrize(("keys", "key", "path"), NAMED)
def test_what_a_key_names_is_in_the_release(made: Path, keys: dict[str, Any], key: str, path: str) -> None:
    with pytest.raises(ReleaseError) as refusal:
        check_files(str(made), application(**keys))
    assert str(refusal.value) == (
        f"wsgi_apps: application 'shop', key {key}: {path!r} is not in the source; correct the path or add it."
    )
    if path in ("lib", "css"):
        (made / path).mkdir()
    else:
        (made / path).touch()
    check_files(str(made), application(**keys))


def test_what_is_elsewhere_or_made_later_is_not_looked_for(made: Path) -> None:
    keys = {
        "static_root": "made",
        "static": [{"url": "/s", "directory": "made/css"}, {"url": "/m", "directory": "/srv/media"}],
        "error_documents": [{"status": 404, "file": "made/404.html"}, {"status": 500, "file": "/srv/500.html"}],
        "wsgi_directives": {"import_scripts": [{"script": "/opt/warm.py"}]},
    }
    check_files(str(made), application(**keys))


def test_a_key_that_is_new_is_checked_in_a_release_that_is_there(made: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The release is not made again for it, so nothing else would tell."""
    monkeypatch.setattr(release.builder, "program", lambda _: "/usr/bin/git")
    (made / COMMIT).mkdir()
    (made / COMMIT / "wsgi.py").touch()
    shop = application()
    shop["paths"] = {**shop["paths"], "releases": str(made)}
    assert release_of(shop, check_mode=True) == {"id": COMMIT, "path": str(made / COMMIT), "changed": False}
    with pytest.raises(ReleaseError, match=r"key maintenance\.page: 'soon\.html' is not in the source"):
        release_of({**shop, "maintenance": {"page": f"{shop['paths']['current']}/soon.html"}}, check_mode=True)
