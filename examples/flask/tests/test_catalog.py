# SPDX-License-Identifier: Apache-2.0
"""The API, as its clients see it."""

from __future__ import annotations

import json
import os
import sqlite3
import subprocess
import sys
import tempfile
import unittest
from http import HTTPStatus
from pathlib import Path
from unittest import mock
from urllib.parse import quote
from wsgiref.validate import validator

from catalog import create_app, store
from werkzeug.test import TestResponse

PROJECT = Path(__file__).resolve().parent.parent


class CatalogTestCase(unittest.TestCase):
    """An application with an empty database of its own."""

    def setUp(self) -> None:
        self.database = Path(self.enterContext(tempfile.TemporaryDirectory())) / "items.sqlite3"
        self.app = create_app({"DATABASE": str(self.database)})
        with self.app.app_context():
            store.create_tables()
        self.client = self.app.test_client()

    def assert_error(self, response: TestResponse, status: HTTPStatus, description: str) -> None:
        self.assertEqual(response.status_code, status)
        self.assertEqual(response.mimetype, "application/json")
        error = response.get_json()["error"]
        self.assertEqual((error["code"], error["name"]), (status.value, response.status.partition(" ")[2].title()))
        self.assertIn(description, error["description"])


class ItemTests(CatalogTestCase):
    """Creating, reading and listing items."""

    def test_a_created_item_is_found_at_its_address_and_in_the_list(self) -> None:
        created = self.client.post("/api/items", json={"name": " Schlüssel ", "quantity": 3})

        item = {"id": 1, "name": "Schlüssel", "quantity": 3}
        self.assertEqual((created.status_code, created.get_json()), (HTTPStatus.CREATED, item))
        self.assertEqual(self.client.get(created.headers["Location"]).get_json(), item)
        self.assertEqual(self.client.get("/api/items").get_json(), {"items": [item], "next": None})

    def test_the_quantity_is_one_when_left_out(self) -> None:
        self.assertEqual(self.client.post("/api/items", json={"name": "key"}).get_json()["quantity"], 1)

    def test_a_long_list_comes_in_pages(self) -> None:
        with self.app.app_context():
            for number in range(101):
                store.add_item(f"item {number}", number)

        first = self.client.get("/api/items").get_json()
        second = self.client.get(first["next"]).get_json()

        self.assertEqual((len(first["items"]), first["next"]), (100, "/api/items?after=100"))
        self.assertEqual(([item["id"] for item in second["items"]], second["next"]), ([101], None))

    def test_a_new_application_sees_what_the_last_one_stored(self) -> None:
        self.client.post("/api/items", json={"name": "key"})

        restarted = create_app({"DATABASE": str(self.database)}).test_client()

        self.assertEqual(restarted.get("/api/items/1").get_json()["name"], "key")

    def test_items_that_are_refused(self) -> None:
        for body, description in (
            (["key"], "a JSON object"),
            ({"name": "key", "colour": "red"}, "has no colour"),
            ({}, "The name"),
            ({"name": "  "}, "The name"),
            ({"name": "two\nlines"}, "The name"),
            ({"name": "x" * 201}, "The name"),
            ({"name": "key", "quantity": -1}, "The quantity"),
            ({"name": "key", "quantity": True}, "The quantity"),
            ({"name": "key", "quantity": 2**63}, "The quantity"),
        ):
            with self.subTest(body=body):
                response = self.client.post("/api/items", json=body)

                self.assert_error(response, HTTPStatus.UNPROCESSABLE_ENTITY, description)
        self.assertEqual(self.client.get("/api/items").get_json()["items"], [])


class ErrorTests(CatalogTestCase):
    """Every error is JSON."""

    def test_a_body_that_is_not_json(self) -> None:
        response = self.client.post("/api/items", data="{", content_type="application/json")

        self.assert_error(response, HTTPStatus.BAD_REQUEST, "could not understand")

    def test_a_body_of_another_type(self) -> None:
        response = self.client.post("/api/items", data="name=key")

        self.assert_error(response, HTTPStatus.UNSUPPORTED_MEDIA_TYPE, "application/json")

    def test_a_body_above_the_limit(self) -> None:
        response = self.client.post("/api/items", json={"name": "x" * 64 * 1024})

        self.assertEqual(response.status_code, HTTPStatus.REQUEST_ENTITY_TOO_LARGE)
        self.assertEqual(response.get_json()["error"]["code"], 413)

    def test_unknown_addresses_and_items(self) -> None:
        self.assert_error(self.client.get("/nothing"), HTTPStatus.NOT_FOUND, "not found")
        self.assert_error(self.client.get("/api/items/7"), HTTPStatus.NOT_FOUND, "no item 7")
        self.assert_error(self.client.get(f"/api/items/{2**63}"), HTTPStatus.NOT_FOUND, "no item")

    def test_a_method_that_is_not_allowed(self) -> None:
        response = self.client.delete("/api/items")

        self.assert_error(response, HTTPStatus.METHOD_NOT_ALLOWED, "not allowed")
        self.assertIn("POST", response.headers["Allow"])

    def test_an_unexpected_error_is_logged_and_tells_the_client_nothing(self) -> None:
        with (
            mock.patch("catalog.store.list_items", side_effect=ZeroDivisionError("a detail")),
            self.assertLogs(self.app.logger, "ERROR") as log,
        ):
            response = self.client.get("/api/items")

        self.assert_error(response, HTTPStatus.INTERNAL_SERVER_ERROR, "internal error")
        self.assertNotIn("a detail", response.text)
        self.assertIn("ZeroDivisionError: a detail", log.output[0])


class StreamTests(CatalogTestCase):
    """A response that is sent while it is made."""

    def test_each_chunk_is_sent_when_it_is_made(self) -> None:
        with mock.patch("catalog.api.time.sleep") as sleep:
            response = self.client.get("/stream?chunks=3&interval=0.5", buffered=False)
            chunks = iter(response.response)
            first = json.loads(next(chunks))
            waited_for_the_first = sleep.call_count
            rest = [json.loads(chunk)["chunk"] for chunk in chunks]

        self.assertEqual((first["chunk"], first["of"], waited_for_the_first), (1, 3, 0))
        self.assertEqual((rest, sleep.mock_calls), ([2, 3], [mock.call(0.5)] * 2))
        self.assertEqual(response.mimetype, "application/x-ndjson")
        self.assertNotIn("Content-Length", response.headers)

    def test_parameters_out_of_range(self) -> None:
        for query in ("chunks=0", "chunks=101", "chunks=many", "interval=-1", "interval=5.1", "interval=nan"):
            with self.subTest(query):
                response = self.client.get(f"/stream?{query}")

                self.assert_error(response, HTTPStatus.BAD_REQUEST, query.partition("=")[0])


class ServiceTests(CatalogTestCase):
    """What a server and its operators rely on."""

    def test_the_index_names_addresses_that_answer(self) -> None:
        index = self.client.get("/").get_json()

        self.assertEqual(
            {name: self.client.head(url).status_code for name, url in index.items()}, dict.fromkeys(index, 200)
        )

    def test_a_path_in_utf_8(self) -> None:
        response = self.client.get(f"/echo/{quote('grüße/日本')}")

        self.assertEqual(response.get_json(), {"text": "grüße/日本"})
        self.assertIn("grüße/日本".encode(), response.data)

    def test_head_has_the_headers_of_get_and_no_body(self) -> None:
        got, head = self.client.get("/api/items"), self.client.head("/api/items")

        self.assertEqual((head.status_code, head.data), (HTTPStatus.OK, b""))
        self.assertEqual(head.headers["Content-Length"], got.headers["Content-Length"])

    def test_healthy(self) -> None:
        response = self.client.get("/healthz")

        self.assertEqual((response.status_code, response.get_json()["status"]), (HTTPStatus.OK, "ok"))

    def test_unhealthy_without_the_tables(self) -> None:
        with sqlite3.connect(self.database) as connection:
            connection.execute("DROP TABLE items")
        connection.close()

        with self.assertLogs(self.app.logger, "ERROR") as log:
            response = self.client.get("/healthz")

        self.assertEqual(response.status_code, HTTPStatus.SERVICE_UNAVAILABLE)
        self.assertEqual(response.get_json(), {"status": "unavailable", "database": "error"})
        self.assertIn("no such table: items", log.output[0])

    def test_the_application_keeps_to_the_wsgi_standard(self) -> None:
        self.app.wsgi_app = validator(self.app.wsgi_app)

        with self.client.get("/stream?chunks=2&interval=0") as response:
            self.assertEqual(len(response.data.splitlines()), 2)


class EntryPointTests(unittest.TestCase):
    """`wsgi.py` and the command that prepares a release, in a process of their own."""

    def run_python(self, *arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [sys.executable, *arguments],
            cwd=PROJECT,
            env={"PATH": os.defpath, "PYTHONDONTWRITEBYTECODE": "1", **environment},
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )

    def test_init_db_prepares_a_database_that_is_healthy(self) -> None:
        database = str(Path(self.enterContext(tempfile.TemporaryDirectory())) / "items.sqlite3")
        for _ in range(2):
            result = self.run_python("-m", "flask", "--app", "wsgi", "init-db", FLASK_DATABASE=database)
            self.assertEqual(
                (result.returncode, result.stdout), (0, f"The database {database} is ready.\n"), result.stderr
            )

        program = "from wsgi import application; print(application.test_client().get('/healthz').status)"
        self.assertEqual(self.run_python("-c", program, FLASK_DATABASE=database).stdout, "200 OK\n")

    def test_without_a_database_nothing_starts(self) -> None:
        result = self.run_python("-c", "import wsgi")

        self.assertNotEqual(result.returncode, 0)
        self.assertIn("set the environment variable FLASK_DATABASE", result.stderr)
