# SPDX-License-Identifier: Apache-2.0
"""The WSGI entry point: `application` is what mod_wsgi calls."""

from __future__ import annotations

import os

from django.core.wsgi import get_wsgi_application

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "config.settings")

application = get_wsgi_application()
