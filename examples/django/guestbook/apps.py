# SPDX-License-Identifier: Apache-2.0
"""Configuration of the guestbook application."""

from __future__ import annotations

from django.apps import AppConfig


class GuestbookConfig(AppConfig):
    """The guestbook: entries, uploads, and a health check."""

    name = "guestbook"
