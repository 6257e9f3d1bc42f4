# SPDX-License-Identifier: Apache-2.0
"""The WSGI entry point: `application` is what mod_wsgi calls."""

from __future__ import annotations

from catalog import create_app

application = create_app()
