# SPDX-License-Identifier: Apache-2.0
"""An application that has been broken into: it runs the program that a request brings."""


def application(environ, start_response):
    """Answer with the variable `found` of the program, or with the exception that has ended it."""
    start_response("200 OK", [("Content-Type", "text/plain; charset=utf-8")])
    if environ["PATH_INFO"] == "/healthz":
        return [b"ok\n"]
    program = environ["wsgi.input"].read(int(environ.get("CONTENT_LENGTH") or 0)).decode()
    variables = {"__name__": "attack"}
    try:
        exec(program, variables)  # noqa: S102  # that is what it is for
        answer = f"found {variables.get('found')!r}"
    except Exception as error:  # whatever has held it
        answer = f"held {type(error).__name__}: {error}"
    return [answer.encode("utf-8", "replace")]
