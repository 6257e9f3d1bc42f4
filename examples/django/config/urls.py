# SPDX-License-Identifier: Apache-2.0
"""URLs of the project: the admin site, and the guestbook at the root."""

from __future__ import annotations

from django.contrib import admin
from django.urls import include, path

urlpatterns = [
    path("admin/", admin.site.urls),
    path("", include("guestbook.urls")),
]
