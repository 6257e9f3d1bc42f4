# SPDX-License-Identifier: Apache-2.0
"""The command line of the lab."""

from __future__ import annotations

import argparse
import shutil
import sys
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from tools.laboratory import engine, environment, furnished, hosts, images, machine, root_tests, virtual, wsgi_images
from tools.laboratory.console import Console, LabError
from tools.laboratory.lock import lock
from tools.laboratory.state import Lab
from tools.laboratory.suites import DEFAULT_SUITE, INTERPRETERS, SUITES

_CACHES = (".ansible", ".hypothesis", ".mypy_cache", ".pytest_cache", ".ruff_cache")


def main(arguments: Sequence[str]) -> int:
    """Runs one command; 0 when it did its work, 1 with one sentence on standard error when it could not."""
    options = _parser().parse_args(arguments)
    lab = Lab(Path(__file__).resolve().parents[2])
    try:
        options.command(lab, Console(), options)
    except LabError as error:
        print(f"lab: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("lab: interrupted; the same command goes on from here.", file=sys.stderr)
        return 130
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="tools/lab.py",
        description="Sets up, in .lab/ and in a Docker engine, what deploying and testing on this machine needs. "
        "Every command can be given again: it does what is left to do.",
    )
    commands = parser.add_subparsers(required=True, metavar="COMMAND")

    up = commands.add_parser("up", help="tools, collections, engine and test host images are there")
    up.add_argument(
        "--suite",
        action="append",
        choices=SUITES,
        help=f"test host image to have (default {DEFAULT_SUITE}); repeatable",
    )
    up.add_argument("--tools-only", action="store_true", help="no engine and no image: the hosts are real ones")
    up.add_argument("--tests", action="store_true", help="also what the unit tests need of this machine")
    up.set_defaults(command=_up)

    image = commands.add_parser("image", help="print the name of a suite's test host image, which is made if need be")
    image.add_argument("suite", choices=SUITES)
    image.add_argument(
        "--interpreter",
        default="",
        choices=["", *INTERPRETERS],
        help="a Python that the host has in /usr/local beside its own; it is built once, in some minutes",
    )
    image.add_argument(
        "--mod-wsgi",
        action=argparse.BooleanOptionalAction,
        help="print on a second line that of one with httpd and the newest module for its Python, made by the roles",
    )
    image.add_argument(
        "--machine",
        action=argparse.BooleanOptionalAction,
        help="print on a further line that of a virtual machine with the one before on its disk",
    )
    image.set_defaults(command=_image)

    as_root = commands.add_parser(
        "root-tests", help="run the unit tests that need root in a container, unless you are root"
    )
    as_root.add_argument("--container", action="store_true", help="in a container in any case")
    as_root.set_defaults(command=_root_tests)

    serving = commands.add_parser("images", help="build the images of images/versions.json, or some of them")
    serving.add_argument("--python", default="", help="only those for this Python, like 3.11")
    serving.add_argument("--mod-wsgi", default="", help="only those with this version of mod_wsgi")
    serving.add_argument(
        "--base-image", default="", help="instead: one on this image, Debian with Python in /usr/local"
    )
    serving.add_argument("--tag", default="", help="the tag of that one (default MODULE-pythonPYTHON)")
    serving.set_defaults(command=_images)

    context = commands.add_parser(
        "image-context",
        help="write what the images are built from into a new folder, for another builder than this one; "
        "prints the build arguments that come from the commit, one NAME=VALUE a line",
    )
    context.add_argument("folder", type=Path)
    context.set_defaults(command=_image_context)

    push = commands.add_parser("push", help="push images that are built to a registry; prints their digests")
    push.add_argument("--registry", required=True, metavar="HOST[:PORT][/PATH]")
    push.add_argument("--python", default="", help="only those for this Python, like 3.11")
    push.add_argument("--mod-wsgi", default="", help="only those with this version of mod_wsgi")
    push.set_defaults(command=_push)

    commands.add_parser("lock", help="pin the newest tools that requirements-dev.in allows").set_defaults(command=_lock)
    commands.add_parser("clean", help="remove everything that the lab of this clone made, and only that").set_defaults(
        command=_clean
    )
    return parser


def _up(lab: Lab, console: Console, options: argparse.Namespace) -> None:
    suites = [] if options.tools_only else (options.suite or [DEFAULT_SUITE])
    with lab.locked(), ThreadPoolExecutor() as pool:
        # Both parts wait for the network and for one core each most of the time.
        jobs = [pool.submit(environment.ensure, lab, console), pool.submit(_ensure_images, lab, console, suites)]
        if options.tests:
            jobs.append(pool.submit(machine.ensure_python_for_accounts, lab, console))
    errors = [error for job in jobs if (error := job.exception())]
    if errors:
        raise errors[0]
    if console.spoke:
        console.report("ready")


def _ensure_images(lab: Lab, console: Console, suites: Sequence[str]) -> None:
    if suites:
        machine.require_program(lab, console, "ssh-keygen", "openssh-client")
        engine.ensure(lab, console)
    for suite in suites:
        images.ensure(lab, console, SUITES[suite])


def _image(lab: Lab, console: Console, options: argparse.Namespace) -> None:
    suite = SUITES[options.suite]
    with lab.locked():
        engine.ensure(lab, console)
        host = last = images.ensure(lab, console, suite, options.interpreter)
        print(host)
        if options.mod_wsgi:
            newest = wsgi_images.versions(lab.repository)[0].module
            last = furnished.ensure(lab, console, suite, host, newest)
            print(last)
        if options.machine:
            print(virtual.ensure(lab, console, suite, host, last))


def _root_tests(lab: Lab, console: Console, options: argparse.Namespace) -> None:
    if machine.is_root() and not options.container:
        print("You are root, so `make check` and `make slow-checks` run the unit tests that need it.")
        return
    with lab.locked():
        engine.ensure(lab, console)
        image = root_tests.ensure(lab, console)
    root_tests.run(lab, image)


def _images(lab: Lab, console: Console, options: argparse.Namespace) -> None:
    every = wsgi_images.versions(lab.repository)
    if options.base_image:
        wanted = [wsgi_images.on_base(every, options.base_image, options.python, options.mod_wsgi, options.tag)]
    else:
        wanted = wsgi_images.chosen(every, options.python, options.mod_wsgi)
    # Minutes, in which hosts can be made.
    with lab.locked("images"):
        with lab.locked():
            engine.ensure(lab, console)
        wsgi_images.ensure(lab, console, wanted)
    for name, size in wsgi_images.sizes(wanted).items():
        print(f"{name} {size:.0f} MB")


def _image_context(lab: Lab, console: Console, options: argparse.Namespace) -> None:  # noqa: ARG001
    folder: Path = options.folder
    if folder.exists():
        raise LabError(f"{folder} exists already: remove it, or name a new folder for the build context.")
    folder.parent.mkdir(parents=True, exist_ok=True)
    wsgi_images.make_context(lab.repository, folder, machine.trusted_certificates())
    for name, value in wsgi_images.revision(lab.repository).items():
        print(f"{name}={value}")


def _push(lab: Lab, console: Console, options: argparse.Namespace) -> None:
    wanted = wsgi_images.chosen(wsgi_images.versions(lab.repository), options.python, options.mod_wsgi)
    with lab.locked("images"):
        with lab.locked():
            engine.ensure(lab, console)
        for name in wsgi_images.push(wanted, options.registry, all_of_them=bool(options.python or options.mod_wsgi)):
            print(name, flush=True)


def _lock(lab: Lab, console: Console, options: argparse.Namespace) -> None:  # noqa: ARG001
    lock(lab, console)


def _clean(lab: Lab, console: Console, options: argparse.Namespace) -> None:  # noqa: ARG001
    if lab.recall("engine") and not engine.answers():
        engine.ensure(lab, console)  # only a running engine can remove what it keeps
    if engine.answers():
        hosts.destroy(console, hosts.names(lab))
        images.remove(lab, console)
        engine.stop(lab, console)
    packages = lab.recall("packages", [])
    if packages:
        console.report(
            f"Debian packages that the lab installed are left: `apt-get purge {' '.join(packages)}` removes them"
        )
    _remove_files(lab)


def _remove_files(lab: Lab) -> None:
    for folder in (*_CACHES, ".lab"):
        shutil.rmtree(lab.repository / folder, ignore_errors=True)
    for archive in lab.repository.glob("modwsgi-deploy-*.tar.gz"):
        archive.unlink()
    for cache in lab.repository.rglob("__pycache__"):
        shutil.rmtree(cache, ignore_errors=True)
