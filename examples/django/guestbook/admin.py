# SPDX-License-Identifier: Apache-2.0
"""The guestbook in Django's admin site."""

from __future__ import annotations

from django.contrib import admin
from django.http import HttpRequest

from guestbook.models import Entry, Upload


@admin.register(Entry)
class EntryAdmin(admin.ModelAdmin):
    """Entries can be read, searched, corrected and removed."""

    date_hierarchy = "created"
    list_display = ["author", "message", "created"]
    search_fields = ["author", "message"]


@admin.register(Upload)
class UploadAdmin(admin.ModelAdmin):
    """Uploads can be read and removed; their checksum is only true for what the upload form received."""

    list_display = ["name", "size", "sha256", "created"]
    search_fields = ["name", "sha256"]

    def has_add_permission(self, request: HttpRequest) -> bool:
        return False

    def has_change_permission(self, request: HttpRequest, obj: Upload | None = None) -> bool:
        return False
