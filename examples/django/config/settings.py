# SPDX-License-Identifier: Apache-2.0
"""Settings of the guestbook project, safe for production unless the environment says otherwise.

DJANGO_SECRET_KEY            required; signs sessions and CSRF tokens
DJANGO_STATE_DIRECTORY       required; the folder for uploads and an SQLite database, writable by the application
DJANGO_DATABASE_HOST         a PostgreSQL server; without it, the database is db.sqlite3 in the state directory
DJANGO_DATABASE_PORT         5432 by default
DJANGO_DATABASE_NAME         guestbook by default
DJANGO_DATABASE_USER         guestbook by default
DJANGO_DATABASE_PASSWORD     required with a server
DJANGO_ALLOWED_HOSTS         comma-separated Host names to answer; none by default
DJANGO_CSRF_TRUSTED_ORIGINS  comma-separated origins (scheme://host[:port]) whose forms are accepted besides our own
DJANGO_PAGE_VIEWS_FILE       where page views are counted; page_views.json in the state directory; empty: nowhere
DJANGO_DEBUG                 debug pages, for development only; off by default
DJANGO_HTTPS                 send cookies over HTTPS only; on by default, off in debug mode

The two secrets can come from files: DJANGO_SECRET_KEY_FILE and DJANGO_DATABASE_PASSWORD_FILE name them.
"""

from __future__ import annotations

import os
from pathlib import Path

from config import databases, environment

BASE_DIR = Path(__file__).resolve().parent.parent
STATE_DIRECTORY = Path(environment.required("DJANGO_STATE_DIRECTORY"))

SECRET_KEY = environment.required_secret("DJANGO_SECRET_KEY")
DEBUG = environment.flag("DJANGO_DEBUG", default=False)
ALLOWED_HOSTS = environment.comma_separated("DJANGO_ALLOWED_HOSTS")
CSRF_TRUSTED_ORIGINS = environment.comma_separated("DJANGO_CSRF_TRUSTED_ORIGINS")
SESSION_COOKIE_SECURE = CSRF_COOKIE_SECURE = environment.flag("DJANGO_HTTPS", default=not DEBUG)

INSTALLED_APPS = [
    "django.contrib.admin",
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.sessions",
    "django.contrib.messages",
    "django.contrib.staticfiles",
    "guestbook",
]

MIDDLEWARE = [
    "guestbook.page_views.CountPageViews",
    "django.middleware.security.SecurityMiddleware",
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django.middleware.common.CommonMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    "django.contrib.messages.middleware.MessageMiddleware",
    "django.middleware.clickjacking.XFrameOptionsMiddleware",
]

ROOT_URLCONF = "config.urls"
WSGI_APPLICATION = "config.wsgi.application"

TEMPLATES = [
    {
        "BACKEND": "django.template.backends.django.DjangoTemplates",
        "DIRS": [BASE_DIR / "templates"],
        "APP_DIRS": True,
        "OPTIONS": {
            "context_processors": [
                "django.template.context_processors.request",
                "django.contrib.auth.context_processors.auth",
                "django.contrib.messages.context_processors.messages",
            ],
        },
    },
]

DATABASES = {"default": databases.database(STATE_DIRECTORY)}
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"

AUTH_PASSWORD_VALIDATORS = [
    {"NAME": "django.contrib.auth.password_validation.UserAttributeSimilarityValidator"},
    {"NAME": "django.contrib.auth.password_validation.MinimumLengthValidator"},
    {"NAME": "django.contrib.auth.password_validation.CommonPasswordValidator"},
    {"NAME": "django.contrib.auth.password_validation.NumericPasswordValidator"},
]

LANGUAGE_CODE = "en"
TIME_ZONE = "UTC"

# Content hashes in the file names: a browser may keep a file for a year and still sees the next release.
STORAGES = {
    "default": {"BACKEND": "django.core.files.storage.FileSystemStorage"},
    "staticfiles": {"BACKEND": "django.contrib.staticfiles.storage.ManifestStaticFilesStorage"},
}
STATIC_URL = "/static/"
STATIC_ROOT = BASE_DIR / "staticfiles"
MEDIA_ROOT = STATE_DIRECTORY / "media"
PAGE_VIEWS_FILE = os.environ.get("DJANGO_PAGE_VIEWS_FILE", str(STATE_DIRECTORY / "page_views.json"))

# Under a web server, standard error is its error log, which adds the time and the process itself.
LOGGING = {
    "version": 1,
    "disable_existing_loggers": False,
    "formatters": {"line": {"format": "%(levelname)s %(name)s: %(message)s"}},
    "handlers": {"stderr": {"class": "logging.StreamHandler", "formatter": "line"}},
    "root": {"handlers": ["stderr"], "level": "INFO"},
    "loggers": {"django": {"handlers": [], "level": "NOTSET"}},
}
