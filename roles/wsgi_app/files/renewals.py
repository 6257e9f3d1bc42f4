#!/usr/bin/python3 -I
# SPDX-License-Identifier: Apache-2.0
"""Reload httpd when it has got a certificate that it does not serve yet: `renewals.py STORE RECORD UNIT`.

mod_md renews by itself, leaves what it has got in STORE/staging/NAME, and takes it into use when httpd reads its
configuration the next time. Each reload ends requests that are too long for it (docs/tls.md), and httpd with
mod_wsgi dies after about a thousand of them. So each certificate gets exactly one: RECORD, a file with JSON, has which
ones had theirs, and one that httpd refuses stays where it is and is not tried again.

Installed by the role wsgi_app, which runs it every few minutes; changes are overwritten.
"""

import hashlib
import json
import os
import subprocess
import sys

RELOAD_SECONDS = 120  # a reload waits for the test of the configuration; a busy host may be slow


def staged(store):
    """The certificates that are complete and not in use, as {name: SHA-256 of their files}."""
    found = {}
    folder = os.path.join(store, "staging")
    for name in sorted(os.listdir(folder)) if os.path.isdir(folder) else []:
        digest = certificate(os.path.join(folder, name))
        if digest and is_finished(os.path.join(folder, name, "job.json")):
            found[name] = digest
    return found


def is_finished(file):
    """Whether mod_md says that it has all it needs; False as well for a file that it is just writing."""
    try:
        with open(file, encoding="utf-8") as opened:
            job = json.load(opened)
    except (OSError, ValueError):
        return False
    return isinstance(job, dict) and job.get("finished") is True


def certificate(folder):
    """The SHA-256 of the certificates in a folder, one for each type of key; empty when there is none."""
    digest, names = hashlib.sha256(), []
    try:
        names = sorted(n for n in os.listdir(folder) if n.startswith("pubcert.") and n.endswith(".pem"))
        for name in names:
            with open(os.path.join(folder, name), "rb") as file:
                digest.update(name.encode() + b"\0" + file.read() + b"\0")
    except OSError:  # mod_md has begun anew
        return ""
    return digest.hexdigest() if names else ""


def read(record):
    """Which certificates had their reload."""
    try:
        with open(record, encoding="utf-8") as file:
            known = json.load(file)
    except (OSError, ValueError):
        return {}
    return known if isinstance(known, dict) else {}


def write(record, known):
    """Keep it. Raises OSError."""
    temporary = record + ".new"
    with open(temporary, "w", encoding="utf-8") as file:
        json.dump(known, file, indent=2, sort_keys=True)
        file.write("\n")
        file.flush()
        os.fsync(file.fileno())
    os.replace(temporary, record)


def reload(unit):
    """Reload httpd when it runs; when it does not, its next start takes the certificates. Empty, or what is wrong."""
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
    except (OSError, subprocess.TimeoutExpired) as error:
        return str(error)
    said = done.stdout.decode("utf-8", "replace").strip()
    return (said or "exit status %d" % done.returncode) if done.returncode else ""


def main(store, record, unit):
    """Look once; the exit status."""
    there, known = staged(store), read(record)
    new = {name: digest for name, digest in there.items() if known.get(name) != digest}
    if there != known:
        # Before the reload: whoever is killed in between must not reload again and again.
        write(record, there)
    if not new:
        return 0
    problem = reload(unit)
    if problem:
        # httpd was not told, since its configuration does not pass the test, or systemd did not do it.
        write(record, {name: digest for name, digest in there.items() if name not in new})
        print(
            "The new certificate for %s is not served yet, since %s could not be reloaded (%s); correct that. It is "
            "tried again in some minutes." % (", ".join(sorted(new)), unit, problem),
            file=sys.stderr,
        )
        return 1
    print("%s was reloaded, to serve the new certificate for %s." % (unit, ", ".join(sorted(new))))
    return 0


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
