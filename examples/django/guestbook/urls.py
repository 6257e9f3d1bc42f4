# SPDX-License-Identifier: Apache-2.0
"""URLs of the guestbook."""

from __future__ import annotations

from django.urls import path

from guestbook import views

app_name = "guestbook"

urlpatterns = [
    path("", views.EntryCreateView.as_view(), name="index"),
    path("uploads/", views.UploadCreateView.as_view(), name="uploads"),
    path("uploads/<int:pk>/", views.download, name="download"),
    path("seiten/<str:name>/", views.page, name="page"),
    path("healthz", views.healthz, name="healthz"),
]
