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

    def test_the_wsgi_entry_point(self) -> None:
        result = run_python("from config.wsgi import application; print(callable(application))", PRODUCTION)

        self.assertEqual(result.stdout, "True\n", result.stderr)


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
