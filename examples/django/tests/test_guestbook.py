# SPDX-License-Identifier: Apache-2.0
"""The guestbook's pages, as a browser sees them."""

from __future__ import annotations

import hashlib
import os
import tempfile
from pathlib import Path
from unittest import mock
from urllib.parse import quote

from django.contrib.auth import get_user_model
from django.core.files.uploadedfile import SimpleUploadedFile
from django.db import OperationalError, connection
from django.test import Client, TestCase, override_settings
from django.urls import reverse
from guestbook.models import Entry, Upload


class EntryTests(TestCase):
    """Signing the guestbook."""

    def test_the_front_page_has_the_form_and_the_entries(self) -> None:
        Entry.objects.create(author="Ada", message="Hello, <world>")

        response = self.client.get("/")

        self.assertContains(response, "csrfmiddlewaretoken")
        self.assertContains(response, "Hello, &lt;world&gt;")

    def test_a_signed_entry_is_stored_and_shown_after_a_redirect(self) -> None:
        response = self.client.post("/", {"author": "Grace", "message": "Grüße"}, follow=True)

        self.assertRedirects(response, "/")
        self.assertContains(response, "Grüße")
        self.assertEqual(Entry.objects.get().author, "Grace")

    def test_an_entry_without_a_message_is_refused(self) -> None:
        response = self.client.post("/", {"author": "Grace", "message": ""})

        self.assertContains(response, "This field is required.")
        self.assertFalse(Entry.objects.exists())

    def test_head_has_the_headers_of_get_and_no_body(self) -> None:
        response = self.client.head("/")

        self.assertEqual((response.status_code, response.content), (200, b""))
        self.assertEqual(response["Content-Type"], "text/html; charset=utf-8")


class CsrfTests(TestCase):
    """Forms are accepted from our own pages only."""

    def setUp(self) -> None:
        self.browser = Client(enforce_csrf_checks=True)

    def test_a_form_without_the_token_is_refused(self) -> None:
        response = self.browser.post("/", {"author": "Eve", "message": "spam"})

        self.assertEqual(response.status_code, 403)
        self.assertFalse(Entry.objects.exists())

    def test_a_form_with_the_token_of_the_page_is_accepted(self) -> None:
        token = self.browser.get("/").context["csrf_token"]

        response = self.browser.post("/", {"author": "Ada", "message": "Hello", "csrfmiddlewaretoken": token})

        self.assertRedirects(response, "/")

    def test_the_cookie_is_for_https_only(self) -> None:
        self.assertTrue(self.browser.get("/").cookies["csrftoken"]["secure"])


class UploadTests(TestCase):
    """Sending a file and getting it back."""

    def setUp(self) -> None:
        self.media_root = Path(self.enterContext(tempfile.TemporaryDirectory()))
        self.enterContext(override_settings(MEDIA_ROOT=self.media_root))

    def stored_files(self) -> list[Path]:
        return [path for path in self.media_root.rglob("*") if path.is_file()]

    def test_five_mebibytes_arrive_unchanged(self) -> None:
        content = os.urandom(5 * 1024 * 1024)
        checksum = hashlib.sha256(content).hexdigest()

        response = self.client.post(
            reverse("guestbook:uploads"), {"file": SimpleUploadedFile("größe.bin", content)}, follow=True
        )

        self.assertRedirects(response, "/uploads/")
        self.assertContains(response, checksum)
        upload = Upload.objects.get()
        self.assertEqual((upload.name, upload.size, upload.sha256), ("größe.bin", len(content), checksum))
        self.assertEqual([path.read_bytes() for path in self.stored_files()], [content])

        download = self.client.get(upload.get_absolute_url())
        self.assertEqual(download.getvalue(), content)
        self.assertIn("attachment", download["Content-Disposition"])

    def test_a_file_above_the_limit_is_refused(self) -> None:
        with mock.patch("guestbook.forms.MAX_UPLOAD_BYTES", 1024):
            response = self.client.post("/uploads/", {"file": SimpleUploadedFile("big.bin", bytes(1025))})

        self.assertContains(response, "The file is larger than 1.0\xa0KB.")
        self.assertEqual(self.stored_files(), [])

    def test_a_deleted_upload_takes_its_file_along(self) -> None:
        self.client.post("/uploads/", {"file": SimpleUploadedFile("note.txt", b"note")})
        self.assertEqual(len(self.stored_files()), 1)

        with self.captureOnCommitCallbacks(execute=True):
            Upload.objects.all().delete()

        self.assertEqual(self.stored_files(), [])


class PageTests(TestCase):
    """Addresses outside ASCII, unknown addresses, unknown hosts."""

    def test_a_path_in_utf_8(self) -> None:
        response = self.client.get(f"/seiten/{quote('grüße')}/")

        self.assertContains(response, "<h1>grüße</h1>", html=True)

    def test_an_unknown_address_gets_the_404_page(self) -> None:
        response = self.client.get("/nothing/here/")

        self.assertContains(response, "Page not found", status_code=404)
        self.assertContains(response, "/nothing/here/", status_code=404)

    def test_an_unknown_host_is_refused(self) -> None:
        self.assertEqual(self.client.get("/", headers={"host": "evil.example"}).status_code, 400)


class HealthTests(TestCase):
    """The health check says what the database says."""

    def test_healthy(self) -> None:
        response = self.client.get("/healthz")

        self.assertEqual((response.status_code, response.json()), (200, {"status": "ok", "database": "ok"}))
        self.assertIn("no-store", response["Cache-Control"])

    def test_unhealthy_without_the_database(self) -> None:
        failing = mock.Mock(side_effect=OperationalError("unable to open database file"))

        with connection.execute_wrapper(failing), self.assertLogs("guestbook.views", "ERROR") as log:
            response = self.client.get("/healthz")

        self.assertEqual((response.status_code, response.json()["status"]), (503, "unavailable"))
        self.assertIn("unable to open database file", log.output[0])


class AdminTests(TestCase):
    """The admin site knows the guestbook."""

    def test_a_superuser_finds_entries_and_uploads(self) -> None:
        Entry.objects.create(author="Ada", message="Hello")
        self.client.force_login(get_user_model().objects.create_superuser("admin"))

        self.assertContains(self.client.get("/admin/guestbook/entry/"), "Ada")
        self.assertEqual(self.client.get("/admin/guestbook/upload/").status_code, 200)
        self.assertEqual(self.client.get("/admin/guestbook/upload/add/").status_code, 403)

    def test_a_stranger_is_asked_to_log_in(self) -> None:
        self.assertRedirects(self.client.get("/admin/"), "/admin/login/?next=/admin/")
