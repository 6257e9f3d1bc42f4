# SPDX-License-Identifier: Apache-2.0
"""Pages of the guestbook."""

from __future__ import annotations

import logging
from typing import Any

from django.db import DatabaseError
from django.http import FileResponse, HttpRequest, HttpResponse, JsonResponse
from django.shortcuts import get_object_or_404, render
from django.urls import reverse_lazy
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_safe
from django.views.generic import CreateView

from guestbook.forms import UploadForm
from guestbook.models import Entry, Upload

logger = logging.getLogger(__name__)

LATEST = 50


class EntryCreateView(CreateView):
    """The front page: the latest entries, and the form to sign the guestbook."""

    model = Entry
    fields = ["author", "message"]
    success_url = reverse_lazy("guestbook:index")

    def get_context_data(self, **kwargs: Any) -> dict[str, Any]:
        return super().get_context_data(entries=Entry.objects.all()[:LATEST], **kwargs)


class UploadCreateView(CreateView):
    """The latest uploads with their checksums, and the form to send a file."""

    model = Upload
    form_class = UploadForm
    success_url = reverse_lazy("guestbook:uploads")

    def get_context_data(self, **kwargs: Any) -> dict[str, Any]:
        return super().get_context_data(uploads=Upload.objects.all()[:LATEST], **kwargs)


@require_safe
def download(request: HttpRequest, pk: int) -> FileResponse:
    """Send an upload back, always as an attachment: it comes from strangers."""
    upload = get_object_or_404(Upload, pk=pk)
    return FileResponse(upload.file.open("rb"), as_attachment=True, filename=upload.name)


@require_safe
def page(request: HttpRequest, name: str) -> HttpResponse:
    """A page whose address may hold any letter that Unicode knows."""
    return render(request, "guestbook/page.html", {"name": name})


@require_safe
@never_cache
def healthz(request: HttpRequest) -> JsonResponse:
    """200 when requests can be served: the database answers and has the tables that the code needs."""
    try:
        Entry.objects.exists()
    except DatabaseError:
        logger.exception("The health check cannot read the database")
        return JsonResponse({"status": "unavailable", "database": "error"}, status=503)
    return JsonResponse({"status": "ok", "database": "ok"})
