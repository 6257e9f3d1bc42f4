# SPDX-License-Identifier: Apache-2.0
"""An application with files that keys can name."""

from __future__ import annotations

from pathlib import Path

import pytest
from support.applications import App


@pytest.fixture(name="shop")
def fixture_shop(tmp_path: Path) -> App:
    """The least that an application needs."""
    source = tmp_path / "shop"
    for folder in ("assets", "static", "css files"):
        (source / folder).mkdir(parents=True)
    for name in ("shop/wsgi.py", "shop/requirements.txt", "shop/auth.py", "shop/warm.py", "outside.py"):
        (tmp_path / name).touch()
    (source / "link.py").symlink_to("../outside.py")
    return {"name": "shop", "source": {"directory": str(source)}, "server_name": "shop.example"}


@pytest.fixture(name="blog")
def fixture_blog(shop: App) -> App:
    """Another one in the same vhost."""
    return {**shop, "name": "blog", "path": "/blog"}
