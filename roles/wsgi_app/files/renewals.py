#!/usr/bin/python3 -I
# SPDX-License-Identifier: Apache-2.0
"""Reload httpd when it has got a certificate that it does not serve yet: `renewals.py STORE RECORD UNIT`.

mod_md renews by itself, leaves what it has got in STORE/staging/NAME, and takes it into use when httpd reads its
configuration the next time. Each reload ends requests that are too long for it (docs/tls.md). So each certificate gets
exactly one: RECORD, a file with JSON, has which ones had theirs, and one that httpd refuses stays where it is and is
not tried again.

httpd's user may write to STORE/staging, and this runs as root. So below STORE's own folder, which is root's alone, no
link is followed, nothing but regular files is read, and of them no more than a bounded part; what has another shape is
told, and stops no other certificate. Whatever the files say, httpd is reloaded once an hour at the most; RECORD, where
only root writes, has the time of the last one.

Installed by the role wsgi_app, which runs it every few minutes; changes are overwritten.
"""

import contextlib
import hashlib
import itertools
import json
import os
import re
import stat
import subprocess
import sys
import time

RELOAD_SECONDS = 120  # a reload waits for the test of the configuration; a busy host may be slow
RELOADS_APART = 3600  # seconds
MOST_NAMES = 1000  # certificates, and files of one of them
LARGEST_FILE = 256 * 1024  # bytes; a certificate with those above it has less than 20 KiB, a job less than 64
LARGEST_RECORD = 4 * 1024 * 1024  # bytes
NAME = re.compile(r"[A-Za-z0-9*][A-Za-z0-9*._-]{0,254}")
CERTIFICATE = re.compile(r"pubcert[A-Za-z0-9._-]{0,64}\.pem")
MOST_CERTIFICATES = 8  # of one name: one for each type of key


class OddError(Exception):
    """Something is not as mod_md leaves it; the text says what, and goes on after a path."""


@contextlib.contextmanager
def folder(name, parent=None):
    """A descriptor of a folder; with `parent`, another one, of one in it. Raises OSError and OddError."""
    flags = os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC | (0 if parent is None else os.O_NOFOLLOW)
    try:
        descriptor = os.open(name, flags, dir_fd=parent)
    except FileNotFoundError:
        raise
    except OSError as error:
        raise OddError("is no folder of httpd's (%s)" % error.strerror) from None
    try:
        yield descriptor
    finally:
        os.close(descriptor)


def names(descriptor):
    """What is in a folder, sorted. Raises OddError when that is too much."""
    with os.scandir(descriptor) as entries:
        found = [entry.name for entry in itertools.islice(entries, MOST_NAMES + 1)]
    if len(found) > MOST_NAMES:
        raise OddError("has more than %d entries" % MOST_NAMES)
    return sorted(found)


def content(name, parent):
    """The bytes of a regular file in a folder. Raises OSError, and OddError for what is another thing, or too large."""
    try:
        # O_NONBLOCK: to open a pipe would wait for who writes to it.
        descriptor = os.open(name, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC, dir_fd=parent)
    except FileNotFoundError:
        raise
    except OSError as error:
        raise OddError("has a %s that is no regular file (%s)" % (name, error.strerror)) from None
    if not stat.S_ISREG(os.fstat(descriptor).st_mode):
        os.close(descriptor)
        raise OddError("has a %s that is no regular file" % name)
    with open(descriptor, "rb") as file:
        found = file.read(LARGEST_FILE + 1)
    if len(found) > LARGEST_FILE:
        raise OddError("has a %s of more than %d bytes" % (name, LARGEST_FILE))
    return found


def staged(store):
    """The certificates that are complete and not in use, as {name: SHA-256 of their files}, and sentences' beginnings
    about what is odd there.
    """
    found, odd = {}, []
    trusted, base = os.path.split(store.rstrip("/"))
    try:
        with folder(trusted) as top, folder(base, top) as below, folder("staging", below) as staging:
            for name in names(staging):
                try:
                    digest = one(name, staging)
                except OddError as error:
                    odd.append("%s/staging/%s %s" % (store, ascii(name)[1:-1], error))
                except OSError:  # mod_md has begun anew, or has moved it away
                    continue
                else:
                    if digest:
                        found[name] = digest
    except FileNotFoundError:
        pass
    except OddError as error:
        odd.append("%s/staging %s" % (store, error))
    return found, odd


def one(name, staging):
    """The SHA-256 of one certificate; empty when it is not there, or not complete. Raises OSError and OddError."""
    if not NAME.fullmatch(name):
        raise OddError("is no name of a certificate")
    with folder(name, staging) as here:
        digest = certificate(here)
        return digest if digest and is_finished(here) else ""


def is_finished(here):
    """Whether mod_md says that it has all it needs; False as well for a file that it is just writing."""
    try:
        job = json.loads(content("job.json", here))
    except (FileNotFoundError, ValueError, RecursionError):
        return False
    return isinstance(job, dict) and job.get("finished") is True


def certificate(here):
    """The SHA-256 of the certificates in a folder, one for each type of key; empty when there is none."""
    digest = hashlib.sha256()
    found = [name for name in names(here) if CERTIFICATE.fullmatch(name)]
    if len(found) > MOST_CERTIFICATES:
        raise OddError("has more than %d certificates" % MOST_CERTIFICATES)
    for name in found:
        digest.update(name.encode() + b"\0" + content(name, here) + b"\0")
    return digest.hexdigest() if found else ""


def read(record):
    """Which certificates had their reload, and when the last one was (seconds since 1970)."""
    try:
        with open(record, encoding="utf-8") as file:
            known = json.loads(file.read(LARGEST_RECORD))
    except (OSError, ValueError):
        return {}, 0.0
    if not isinstance(known, dict):
        return {}, 0.0
    certificates, reloaded = known.get("certificates"), known.get("reloaded")
    if not isinstance(certificates, dict) or not isinstance(reloaded, (int, float)):
        return known, 0.0  # of an earlier version, which kept no time
    return certificates, float(reloaded)


def write(record, certificates, reloaded):
    """Keep both. Raises OSError."""
    known = {"certificates": certificates, "reloaded": reloaded}
    temporary = record + ".new"
    with open(temporary, "w", encoding="utf-8") as file:
        json.dump(known, file, indent=2, sort_keys=True)
        file.write("\n")
        file.flush()
        os.fsync(file.fileno())
    os.replace(temporary, record)


def reload(unit):
    """Reload httpd when it runs; when it does not, its next start takes the certificates.

    Returns what is wrong, empty when nothing is, and whether httpd may have been told all the same.
    """
    command = ["systemctl", "try-reload-or-restart", unit]
    try:
        done = subprocess.run(
            command,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            timeout=RELOAD_SECONDS,
            check=False,
        )
    except subprocess.TimeoutExpired as error:
        return str(error), True
    except OSError as error:
        return str(error), False
    said = done.stdout.decode("utf-8", "replace").strip()
    return (said or "exit status %d" % done.returncode) if done.returncode else "", not done.returncode


def main(store, record, unit):
    """Look once; the exit status."""
    there, odd = staged(store)
    for sentence in odd:
        print(
            "%s, so it is left alone; httpd's user can write there: remove it, and look for who has made it."
            % sentence,
            file=sys.stderr,
        )
    return max(serve(there, record, unit), 1 if odd else 0)


def serve(there, record, unit):
    """Have httpd take the certificates that it has not been told of; the exit status."""
    known, reloaded = read(record)
    new = {name: digest for name, digest in there.items() if known.get(name) != digest}
    seen = {name: digest for name, digest in there.items() if name not in new}
    now = time.time()
    if not new:
        if seen != known:
            write(record, seen, reloaded)
        return 0
    listed = ", ".join(sorted(new)[:10]) + (" and others" if len(new) > 10 else "")
    # A clock that was set back does not hold it up.
    if 0 <= now - reloaded < RELOADS_APART:
        print(
            "The new certificate for %s is served from about %s on: %s was reloaded for another one less than an hour "
            "before. A reload by hand takes it now."
            % (listed, time.strftime("%H:%M", time.localtime(reloaded + RELOADS_APART)), unit)
        )
        return 0
    # Before the reload: whoever is killed in between must not reload again and again.
    write(record, there, now)
    problem, was_told = reload(unit)
    if problem:
        # httpd was not told, since its configuration does not pass the test, or systemd did not do it.
        write(record, seen, now if was_told else reloaded)
        print(
            "The new certificate for %s is not served yet, since %s could not be reloaded (%s); correct that. It is "
            "tried again in some minutes." % (listed, unit, problem),
            file=sys.stderr,
        )
        return 1
    print("%s was reloaded, to serve the new certificate for %s." % (unit, listed))
    return 0


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
