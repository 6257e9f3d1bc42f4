# SPDX-License-Identifier: Apache-2.0
"""The smallest application that says what it runs on."""

import ctypes
import os
import sys


def application(environ, start_response):
    """Answer with the version of Python, or with what the path asks for."""
    answers = {"/libpython": libraries, "/process": process}
    body = answers.get(environ["PATH_INFO"], lambda: sys.version)().encode()
    start_response("200 OK", [("Content-Type", "text/plain"), ("Content-Length", str(len(body)))])
    return [body]


def libraries():
    """The files that are mapped into this process and are a libpython, one a line."""
    # Only the process itself may read this: it has changed its user.
    with open("/proc/self/maps") as maps:
        files = {line.split()[-1] for line in maps if "/libpython" in line}
    return "\n".join(sorted(files))


def process():
    """The number of this process, and how many of the C library's keys for the data of threads it has left."""
    library, keys, key = ctypes.CDLL(None), [], ctypes.c_uint()
    while library.pthread_key_create(ctypes.byref(key), None) == 0:
        keys.append(key.value)
    for each in keys:
        library.pthread_key_delete(each)
    return f"{os.getpid()} {len(keys)}"
