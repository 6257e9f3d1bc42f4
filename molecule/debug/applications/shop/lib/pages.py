"""The pages of the shop."""

import json
import os
import sys


def average(prices):
    """The page that fails when there are no prices."""
    total = sum(prices)
    return total / len(prices)


def facts():
    """What the application finds."""
    return {"prefix": sys.prefix, "folder": os.getcwd(), "path": sys.path, "environment": dict(os.environ)}


PAGES = {
    "/healthz": lambda: "ok",
    "/average": lambda: average([1, 2]),
    "/average-of-nothing": lambda: average([]),
    "/facts": facts,
}


def application(environ, start_response):
    """The WSGI application."""
    page = PAGES.get(environ["PATH_INFO"])
    if environ["PATH_INFO"] == "/request":
        page = {key: environ.get(key) for key in ("PATH_INFO", "UNIQUE_ID", "HTTP_X_REQUEST_ID")}.copy
    body = json.dumps(page() if page else None).encode()
    start_response("200 OK" if page else "404 Not Found", [("Content-Type", "application/json")])
    return [body]
