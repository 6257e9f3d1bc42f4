# SPDX-License-Identifier: Apache-2.0
"""The project as it is deployed: settings from the environment, static files, migrations, WSGI entry point."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from pathlib import Path

from django.conf import settings
from django.core.management import call_command
from django.test import SimpleTestCase, TestCase, override_settings

PRODUCTION = {
    "DJANGO_SECRET_KEY": "k9" * 32,
    "DJANGO_STATE_DIRECTORY": "/nonexistent",
    "DJANGO_ALLOWED_HOSTS": "www.example.org, example.org",
}


def run_python(program: str, environment: dict[str, str]) -> subprocess.CompletedProcess[str]:
    """Run a program in a new interpreter that has only this environment, as a daemon process would."""
    return subprocess.run(
        [sys.executable, "-c", program],
        cwd=settings.BASE_DIR,
        env={"PATH": os.defpath, "PYTHONDONTWRITEBYTECODE": "1", **environment},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


class SettingsTests(SimpleTestCase):
    """A process with an incomplete configuration does not start."""

    def test_production_is_the_default(self) -> None:
        program = """
from config import settings
print(settings.DEBUG, settings.SESSION_COOKIE_SECURE, settings.CSRF_COOKIE_SECURE, settings.ALLOWED_HOSTS)
"""
        result = run_python(program, PRODUCTION)

        self.assertEqual(result.stdout, "False True True ['www.example.org', 'example.org']\n", result.stderr)

    def test_required_variables(self) -> None:
        for name in ("DJANGO_SECRET_KEY", "DJANGO_STATE_DIRECTORY"):
            with self.subTest(name):
                result = run_python("import config.wsgi", PRODUCTION | {name: ""})

                self.assertNotEqual(result.returncode, 0)
                self.assertIn(f"The environment variable {name} is not set", result.stderr)

    def test_a_switch_that_is_neither_on_nor_off(self) -> None:
        result = run_python("import config.wsgi", PRODUCTION | {"DJANGO_DEBUG": "maybe"})

        self.assertNotEqual(result.returncode, 0)
        self.assertIn("The environment variable DJANGO_DEBUG is 'maybe'", result.stderr)

    def test_a_secret_in_a_file(self) -> None:
        folder = Path(self.enterContext(tempfile.TemporaryDirectory()))
        (folder / "key").write_text("from the file \n")
        environment = {**PRODUCTION, "DJANGO_SECRET_KEY": "", "DJANGO_SECRET_KEY_FILE": str(folder / "key")}
        result = run_python("from config import settings; print([settings.SECRET_KEY])", environment)

        self.assertEqual(result.stdout, "['from the file ']\n", result.stderr)

    def test_a_secret_that_cannot_be_had(self) -> None:
        folder = Path(self.enterContext(tempfile.TemporaryDirectory()))
        (folder / "empty").write_text("\n")
        (folder / "binary").write_bytes(b"\xff\xfe")
        for value, file, message in (
            ("k9", "empty", "The environment variables DJANGO_SECRET_KEY and DJANGO_SECRET_KEY_FILE are both set"),
            ("", "empty", f"The file {folder}/empty of the environment variable DJANGO_SECRET_KEY_FILE is empty"),
            ("", "missing", f"The file {folder}/missing of the environment variable DJANGO_SECRET_KEY_FILE cannot be"),
            ("", "binary", f"The file {folder}/binary of the environment variable DJANGO_SECRET_KEY_FILE cannot be"),
        ):
            with self.subTest(message):
                named = {"DJANGO_SECRET_KEY": value, "DJANGO_SECRET_KEY_FILE": str(folder / file)}
                result = run_python("import config.wsgi", PRODUCTION | named)

                self.assertNotEqual(result.returncode, 0)
                self.assertIn(message, result.stderr)

    def test_the_wsgi_entry_point(self) -> None:
        result = run_python("from config.wsgi import application; print(callable(application))", PRODUCTION)

        self.assertEqual(result.stdout, "True\n", result.stderr)


class DatabaseTests(SimpleTestCase):
    """SQLite unless a server is named."""

    program = "from config.settings import DATABASES as d; print([d['default'][k] for k in {keys!r}])"
    server = PRODUCTION | {"DJANGO_DATABASE_HOST": "db.example.org", "DJANGO_DATABASE_PASSWORD": "pw"}

    def values(self, environment: dict[str, str], *keys: str) -> str:
        result = run_python(self.program.format(keys=keys), environment)
        self.assertEqual(result.returncode, 0, result.stderr)
        return result.stdout.strip()

    def test_sqlite_in_the_state_directory(self) -> None:
        for environment in (PRODUCTION, PRODUCTION | {"DJANGO_DATABASE_HOST": ""}):
            self.assertEqual(
                self.values(environment, "ENGINE", "NAME"),
                "['django.db.backends.sqlite3', PosixPath('/nonexistent/db.sqlite3')]",
            )

    def test_a_server(self) -> None:
        self.assertEqual(
            self.values(self.server, "ENGINE", "HOST", "PORT", "NAME", "USER", "PASSWORD"),
            "['django.db.backends.postgresql', 'db.example.org', 5432, 'guestbook', 'guestbook', 'pw']",
        )
        named = {"DJANGO_DATABASE_PORT": "6432", "DJANGO_DATABASE_NAME": "book", "DJANGO_DATABASE_USER": "ada"}
        self.assertEqual(self.values(self.server | named, "PORT", "NAME", "USER"), "[6432, 'book', 'ada']")

    def test_the_driver_of_a_server_is_there(self) -> None:
        program = "import django; django.setup(); from django.db import connection; print(connection.Database.__name__)"
        result = run_python(program, self.server | {"DJANGO_SETTINGS_MODULE": "config.settings"})

        self.assertEqual(result.stdout, "psycopg\n", result.stderr)

    def test_a_server_that_cannot_be_asked(self) -> None:
        for named, message in (
            ({"DJANGO_DATABASE_PASSWORD": ""}, "The environment variable DJANGO_DATABASE_PASSWORD is not set"),
            ({"DJANGO_DATABASE_PORT": "postgres"}, "The environment variable DJANGO_DATABASE_PORT is 'postgres'"),
            ({"DJANGO_DATABASE_PORT": "65536"}, "The environment variable DJANGO_DATABASE_PORT is '65536'"),
        ):
            with self.subTest(message):
                result = run_python("import config.wsgi", self.server | named)

                self.assertNotEqual(result.returncode, 0)
                self.assertIn(message, result.stderr)


class StaticFilesTests(TestCase):
    """Static files under names that carry their content's hash."""

    def test_pages_refer_to_collected_files(self) -> None:
        static_root = Path(self.enterContext(tempfile.TemporaryDirectory()))
        manifest = {"BACKEND": "django.contrib.staticfiles.storage.ManifestStaticFilesStorage"}
        self.enterContext(
            override_settings(STATIC_ROOT=static_root, STORAGES=settings.STORAGES | {"staticfiles": manifest})
        )
        call_command("collectstatic", interactive=False, verbosity=0)

        (stylesheet,) = static_root.glob("guestbook/guestbook.*.css")

        self.assertContains(self.client.get("/"), f'href="/static/guestbook/{stylesheet.name}"')
        self.assertTrue((static_root / "guestbook/guestbook.css").is_file())
        self.assertTrue((static_root / "admin/css/base.css").is_file())


class MigrationTests(TestCase):
    """The migrations describe the models."""

    def test_no_migration_is_missing(self) -> None:
        call_command("makemigrations", check=True, dry_run=True, verbosity=0)
