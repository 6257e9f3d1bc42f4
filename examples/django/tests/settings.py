# SPDX-License-Identifier: Apache-2.0
"""The project's own settings with what the tests need from the environment.

The state directory does not exist: a test that would write to it fails instead of leaving files behind.
"""

from __future__ import annotations

import os

os.environ |= {
    "DJANGO_SECRET_KEY": "for the tests only",
    "DJANGO_SECRET_KEY_FILE": "",
    "DJANGO_DATABASE_HOST": "",
    "DJANGO_STATE_DIRECTORY": "/nonexistent",
    "DJANGO_ALLOWED_HOSTS": "testserver",
    "DJANGO_CSRF_TRUSTED_ORIGINS": "",
    "DJANGO_PAGE_VIEWS_FILE": "",
    "DJANGO_DEBUG": "off",
    "DJANGO_HTTPS": "on",
}

from config.settings import *  # noqa: F403
from config.settings import STORAGES

# Pages can be rendered without a collectstatic; tests/test_project.py covers the storage that production uses.
STORAGES = STORAGES | {"staticfiles": {"BACKEND": "django.contrib.staticfiles.storage.StaticFilesStorage"}}
PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]
