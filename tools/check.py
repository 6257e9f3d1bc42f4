#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Run the fast checks: two at a time, each told in one line, the output of those that fail in full.

`tools/check.py --slow` runs the slow ones, `tools/check.py NAME...` those that are named. Exits with 1 when one fails.
"""

from __future__ import annotations

import argparse
import os
import re
import subprocess
import sys
import tarfile
import tempfile
import time
from collections.abc import Callable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
PROGRAMS = ROOT / ".lab/venv/bin"

#: What a package of the collection holds at least.
PACKED = (
    "roles/httpd/tasks/main.yml",
    "roles/mod_wsgi/tasks/main.yml",
    "roles/wsgi_app/tasks/main.yml",
    "meta/runtime.yml",
)
#: What belongs to the development of the collection, not to its use.
NOT_PACKED = (".lab/", "molecule/", "tests/", "tools/")

#: Nothing committed names where packages are downloaded from, or a path of a developer's machine: both differ from
#: user to user. (Written so that this file does not contain what it forbids.)
FORBIDDEN = {
    "the host of a package registry": "|".join(
        (
            r"pypi[.]org",
            r"pythonhosted[.]org",
            r"(deb|security|snapshot)[.]debian[.]org",
            r"npmjs[.]org",
            r"registry-1[.]docker",
            r"galaxy[.]ansible[.]com",
        )
    ),
    "a path of one machine": r"/root/[.]pyenv|/home/(?!deployer)\w+/|/Users/\w+/",
}


#: What hadolint is not to ask of one file, with the reason. It stands here because even a comment in the definition of
#: a test host makes all its images anew, and a second Python on each.
NOT_ASKED = {
    "images/test-host/Dockerfile": ("DL3009",),  # its last step removes the package lists, and dates their folder back
}


@dataclass(frozen=True)
class Result:
    """How a check ended."""

    passed: bool
    output: str
    #: Seconds.
    duration: float


Check = Callable[[], "subprocess.CompletedProcess[str] | list[str]"]


def program(*command: str) -> Check:
    """A check that is a program of the lab's environment: exit status 0 is good."""
    return lambda: run(str(PROGRAMS / command[0]), *command[1:])


def run(*command: str) -> subprocess.CompletedProcess[str]:
    """A program's exit status and output, in the repository and with the lab's programs first in the path."""
    environment = {**os.environ, "PATH": f"{PROGRAMS}:{os.environ['PATH']}", "NO_COLOR": "1"}
    return subprocess.run(
        command, cwd=ROOT, env=environment, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
        text=True, check=False,
    )  # fmt: skip


def committed_files() -> list[Path]:
    """Files under version control that exist, and those that would be added to it."""
    listed = run("git", "ls-files", "-z", "--cached", "--others", "--exclude-standard").stdout.split("\0")
    return [path for name in listed if name and (path := ROOT / name).is_file() and not path.is_symlink()]


def forbidden_text() -> list[str]:
    """Lines that name a package registry or a path of one machine."""
    found = []
    for path in committed_files():
        for number, line in enumerate(path.read_text(encoding="utf-8", errors="replace").splitlines(), 1):
            found += [f"{path.relative_to(ROOT)}:{number}: names {what}: {line.strip()}" for what in forbidden_in(line)]
    return found


def forbidden_in(line: str) -> list[str]:
    """What a line names that must not be committed."""
    return [what for what, pattern in FORBIDDEN.items() if re.search(pattern, line)]


def packing() -> list[str]:
    """What is wrong with the archive that `ansible-galaxy collection build` makes."""
    with tempfile.TemporaryDirectory(prefix="modwsgi-check-") as folder:
        built = run(str(PROGRAMS / "ansible-galaxy"), "collection", "build", "--output-path", folder)
        archives = list(Path(folder).glob("modwsgi-deploy-*.tar.gz"))
        if built.returncode != 0 or len(archives) != 1:
            return [built.stdout]
        with tarfile.open(archives[0]) as archive:
            return wrong_members(archive.getnames())


def wrong_members(names: Sequence[str]) -> list[str]:
    """What an archive lacks, and what it should not have."""
    missing = [f"the archive lacks {name}" for name in PACKED if name not in names]
    return missing + [f"the archive holds {name}" for name in names if name.startswith(NOT_PACKED)]


def containerfiles() -> list[str]:
    """The Containerfiles and Dockerfiles, by their names."""
    pattern = re.compile(r"(Container|Docker)file([.].+)?|.+[.](Container|Docker)file", re.IGNORECASE)
    return [str(path.relative_to(ROOT)) for path in committed_files() if pattern.fullmatch(path.name)]


def shell_scripts() -> list[str]:
    """The files that begin as a script for a shell that shellcheck knows, or are called one."""
    first_line = re.compile(rb"#!\s*\S*/(env\s+)?(ba|da|k)?sh\b")
    return [
        str(path.relative_to(ROOT))
        for path in committed_files()
        if path.suffix == ".sh" or first_line.match(path.read_bytes()[:100])
    ]


def workflows() -> list[str]:
    """The workflows of continuous integration."""
    folder = ROOT / ".github/workflows"
    return [str(path.relative_to(ROOT)) for path in committed_files() if path.parent == folder]


def linted_containerfiles() -> list[str]:
    """What hadolint finds; `.hadolint.yaml` says what it does not ask, and why."""
    found = []
    for name in containerfiles():
        ignored = [f"--ignore={rule}" for rule in NOT_ASKED.get(name, ())]
        done = run(str(PROGRAMS / "hadolint"), "--no-color", *ignored, name)
        found += done.stdout.splitlines() or ([f"{name}: hadolint failed"] if done.returncode else [])
    return found


def linted_scripts() -> subprocess.CompletedProcess[str]:
    """What shellcheck finds; `.shellcheckrc` says what it does not ask, and why."""
    return run(str(PROGRAMS / "shellcheck"), "--color=never", "--format=gcc", *shell_scripts())


def linted_workflows() -> subprocess.CompletedProcess[str]:
    """What actionlint finds in the workflows, and shellcheck in their scripts."""
    return run(
        str(PROGRAMS / "actionlint"), "-no-color", "-oneline", f"-shellcheck={PROGRAMS / 'shellcheck'}", *workflows()
    )


def secured_workflows() -> subprocess.CompletedProcess[str]:
    """What zizmor finds: permissions, injections, actions that are not pinned. Without asking the network."""
    return run(str(PROGRAMS / "zizmor"), "--offline", "--no-progress", "--quiet", "--format=plain", *workflows())


#: The unit tests, in two parts by the marker `slow`: what every test has or has not.
FAST, SLOW = "not slow", "slow"


def unit_tests(selection: str) -> Check:
    """The unit tests of one part. A file stays in one process, so that one test at a time uses what the machine has."""
    processes = ("-n", "auto", "--maxprocesses=4", "--dist=loadfile", "--no-loadscope-reorder")
    return program("pytest", *processes, "-m", selection, "tests/unit")


CHECKS: dict[str, Check] = {
    "ansible-lint": program("ansible-lint", "--offline", "-q", "--nocolor"),
    "unit tests": unit_tests(FAST),
    "mypy": program("mypy"),
    "specification": program("python", "tools/specification.py", "--check"),
    "reference": program("python", "tools/reference.py", "--check"),
    "diagnoses": program("python", "tools/diagnoses.py", "--check"),
    "evidence": program("python", "tools/evidence.py", "--check"),
    "versions": program("python", "tools/versions.py", "--check"),
    "image settings": program("python", "tools/image_settings.py", "--check"),
    "proof": program("python", "tools/proof.py"),
    "pages": program("python", "tools/pages.py"),
    "yamllint": program("yamllint", "--strict", "."),
    "ruff check": program("ruff", "check", "--quiet", "--output-format=concise", "."),
    "ruff format": program("ruff", "format", "--check", "."),
    "hadolint": linted_containerfiles,
    "shellcheck": linted_scripts,
    "actionlint": linted_workflows,
    "zizmor": secured_workflows,
    "changelog": program("antsibull-changelog", "lint"),
    "packing": packing,
    "forbidden text": forbidden_text,
}
#: Not among the fast ones, but by `--slow`: `make test` runs them as a step of its own.
SLOW_TESTS = "slow unit tests"
SLOW_CHECKS: dict[str, Check] = {SLOW_TESTS: unit_tests(SLOW), "sanity": program("python", "tools/sanity.py")}
EVERY_CHECK = {**CHECKS, **SLOW_CHECKS}


def timed(check: Check) -> Result:
    """Runs a check."""
    began = time.monotonic()
    found = check()
    duration = time.monotonic() - began
    if isinstance(found, list):
        return Result(not found, "\n".join(found), duration)
    return Result(found.returncode == 0, found.stdout, duration)


def report(name: str, result: Result) -> None:
    """One line for a check that passed (and what its tests say about themselves), everything of one that failed."""
    print(f"{'ok' if result.passed else 'FAILED':6} {result.duration:5.1f} s  {name}", flush=True)
    closing = re.findall(r"^\d+ passed.*$", result.output, re.MULTILINE)
    if not result.passed:
        print(result.output.rstrip(), flush=True)
    elif closing:
        print(closing[-1], flush=True)


def main(arguments: Sequence[str]) -> int:
    """Runs the checks named, or all."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("names", nargs="*", metavar="NAME", help=", ".join(EVERY_CHECK))
    parser.add_argument("--slow", action="store_true", help=f"run these: {', '.join(SLOW_CHECKS)}")
    options = parser.parse_args(arguments)
    names = options.names or list(SLOW_CHECKS if options.slow else CHECKS)
    if unknown := set(names) - set(EVERY_CHECK):
        parser.error(f"there is no check {', '.join(sorted(unknown))}: choose from {', '.join(EVERY_CHECK)}")
    with ThreadPoolExecutor(max_workers=2) as pool:
        running: list[tuple[str, Future[Result]]] = [(name, pool.submit(timed, EVERY_CHECK[name])) for name in names]
        results = []
        for name, future in running:
            results.append(future.result())
            report(name, results[-1])
    return 0 if all(result.passed for result in results) else 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
