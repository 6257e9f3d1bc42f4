# SPDX-License-Identifier: Apache-2.0
"""Build a wheel of mod_wsgi from its source distribution, on the managed host."""

from __future__ import annotations

import fcntl
import os
import re
import shlex
import shutil
import subprocess
from collections.abc import Sequence
from pathlib import Path

from ansible_collections.modwsgi.deploy.plugins.module_utils.mod_wsgi.installation import (
    InstallationError,
    linked_pythons,
    missing_companions,
    modules_of_wheel,
    sha256_of,
)
from ansible_collections.modwsgi.deploy.plugins.module_utils.mod_wsgi.versions import BUILD_REQUIREMENTS

# pip 23 writes "Expected sha256 ..." and "Got ..." on lines of their own.
_EXPECTED = re.compile(r"Expected sha256\s+([0-9a-f]{64})")
_GOT = re.compile(r"Got\s+([0-9a-f]{64})")

NOT_FOUND = 127
"""The exit status that shells give for a program that cannot be run."""

EARLIEST = "315619200"
"""Seconds since 1970 of the times in a wheel: its archive knows none before 1980."""


class BuildError(InstallationError):
    """The build failed; ``log`` is what the tools wrote."""

    def __init__(self, message: str, log: str = "") -> None:
        super().__init__(message)
        self.log = log


def hash_mismatch(log: str) -> tuple[str, str] | None:
    """The expected and the found SHA-256, when pip refused a download for its checksum."""
    expected, got = _EXPECTED.search(log), _GOT.search(log)
    return (expected.group(1), got.group(1)) if expected and got else None


def build_environment(extra: dict[str, str], library: str = "") -> dict[str, str]:
    """Environment of the tools: the host's pip configuration holds, prompts and update checks do not.

    The same source and tools give the same wheel, byte for byte: no times, and no debugging information, which names a
    folder that pip made up. `mod_wsgi_build_environment` with ``CFLAGS: -g`` brings that back.

    ``library`` is the path of a libpython that the linker finds before all others.
    """
    environment = {
        **os.environ,
        "LC_ALL": "C.UTF-8",
        "PIP_DISABLE_PIP_VERSION_CHECK": "1",
        "PIP_NO_INPUT": "1",
        # httpd's own compiler; an interpreter may name one that is on its builder's machine only.
        "CC": "gcc",
        "SOURCE_DATE_EPOCH": EARLIEST,
        **{key: str(value) for key, value in extra.items()},
    }
    # Neither the caller's virtual environment nor its search path belongs in the build.
    for name in ("PYTHONPATH", "PYTHONHOME", "VIRTUAL_ENV"):
        environment.pop(name, None)
    own = []
    if library:
        # A Python that was moved to its place tells the build another one, and there is its library not.
        own.append(f"-L{shlex.quote(str(Path(library).parent))}")
    if "-g" not in shlex.split(environment.get("CFLAGS", "")):
        # apxs asks the compiler for debugging information, after all flags of the environment.
        own.append("-Wl,--strip-debug")
    environment["LDFLAGS"] = " ".join([*own, environment.get("LDFLAGS", "")]).strip()
    return environment


def _run(command: list[str], environment: dict[str, str], directory: Path) -> tuple[int, str]:
    try:
        result = subprocess.run(
            command,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            check=False,
            stdin=subprocess.DEVNULL,
            env=environment,
            cwd=directory,
            errors="replace",
        )
    except OSError as error:
        return NOT_FOUND, f"{command[0]}: error: {error.strerror}\n"
    return result.returncode, result.stdout


def _last_error(log: str) -> str:
    """The line of a build's log that says most: the first error of the compiler or of pip, else the last line."""
    lines = [line.strip() for line in log.splitlines() if line.strip()]
    for line in lines:
        # pip tells first that something it ran has failed, and then what that has said.
        if re.search(r"\b(fatal )?error:|^ERROR: |Error: |/ld: ", line) and "subprocess-exited-with-error" not in line:
            return line
    return lines[-1] if lines else "no output"


def _requirement(version: str, sha256: str, source: str) -> str:
    if source:
        found = sha256_of(source)
        if found != sha256:
            raise BuildError(
                f"Checksum mismatch for {Path(source).name}: expected {sha256}, got {found}; "
                "get the right source distribution."
            )
        return f"mod_wsgi @ {Path(source).as_uri()} --hash=sha256:{sha256}"
    return f"mod_wsgi=={version} --hash=sha256:{sha256}"


def verify_wheel(wheel: Path, python: str) -> None:
    """Raise BuildError unless the one compiled module in a wheel is as it was meant.

    It is linked with the Python's shared library, and has its companions.
    """
    modules = modules_of_wheel(wheel)
    linked = linked_pythons(b"".join(modules))
    if len(modules) != 1 or linked != {python}:
        raise BuildError(
            f"The built wheel {wheel.name} holds {len(modules)} compiled modules linked with libpython "
            f"{', '.join(sorted(linked)) or 'none'}, not one linked with {python}; report this with the build's log."
        )
    for name in missing_companions(modules[0]):
        raise BuildError(
            f"The built wheel {wheel.name} lacks {name}_module, so the linker was not given its object; report "
            "this with the build's log."
        )


def kept_wheel(path: Path, python: str) -> str:
    """The SHA-256 of a wheel that an earlier build has left; "" when it is not there, or was changed since."""
    try:
        recorded = Path(f"{path}.sha256").read_text(encoding="utf-8").split(maxsplit=1)
        checksum = sha256_of(path)
        if recorded[:1] == [checksum]:
            verify_wheel(path, python)
            return checksum
    except (OSError, UnicodeDecodeError, BuildError):
        pass
    return ""


_APXS_FLAGS = ("CFLAGS", "EXTRA_CPPFLAGS", "EXTRA_INCLUDES")


def compile_companion(source: str, directory: Path, environment: dict[str, str], host: str) -> Path:
    """Compile a companion as httpd's own builder would, for the linker of mod_wsgi's.

    source: path of the C file. Returns the object, in ``directory``. Raises BuildError.
    """
    apxs, target = environment.get("APXS", "apxs"), directory / f"{Path(source).stem}.o"
    flags: list[str] = []
    log = ""
    for name in _APXS_FLAGS:
        code, text = _run([apxs, "-q", name], environment, directory)
        log += text
        if code:
            break
        flags += shlex.split(text)
    else:
        compiler = [*shlex.split(environment["CC"]), *flags, "-fPIC", "-c", source, "-o", str(target)]
        code, text = _run(compiler, environment, directory)
        log += text
    if code:
        raise BuildError(
            f"mod_wsgi was not built on host {host}, since its companion {Path(source).name} was not compiled: "
            f"{_last_error(text)}",
            log,
        )
    return target


def build_wheel(
    *,
    executable: str,
    python: str,
    version: str,
    sha256: str,
    source: str,
    directory: Path,
    destination: Path,
    companions: Sequence[str],
    extra_environment: dict[str, str],
    host: str,
    library: str = "",
) -> tuple[Path, str]:
    """Build the wheel and put it, with its checksum beside it, into ``destination``.

    executable: the target interpreter. python: its version, "3.11". sha256: of the source distribution.
    source: path of the source distribution; "" lets pip download it by name and version. directory: where to build;
    the linker writes it into the module as a place to look for libraries, so only root may write there and it must be
    the same every time. companions: paths of the C sources of what is linked into it.
    library: path of the interpreter's libpython; "" where the linker finds the distribution's.

    Returns the wheel's path and its SHA-256. Raises BuildError; nothing is left in ``directory``. Builds that want the
    same folder wait for each other: several hosts may name this one as their builder, for several versions.
    """
    environment = build_environment(extra_environment, library)
    directory.parent.mkdir(mode=0o755, parents=True, exist_ok=True)
    # Not the folder itself: who can open it can hold its lock.
    turn = os.open(f"{directory}.turn", os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(turn, fcntl.LOCK_EX)
        shutil.rmtree(directory, ignore_errors=True)
        directory.mkdir(mode=0o700)
        tools, output = directory / "tools", directory / "wheels"
        build_requirements, requirements = directory / "build-requirements.txt", directory / "requirements.txt"
        build_requirements.write_text("\n".join(BUILD_REQUIREMENTS) + "\n", encoding="utf-8")
        requirements.write_text(_requirement(version, sha256, source) + "\n", encoding="utf-8")
        environment["TMPDIR"] = str(directory)
        pip = [str(tools / "bin" / "python"), "-I", "-m", "pip"]
        pinned = ["--require-hashes", "--no-deps", "--no-cache-dir"]
        from_wheels = [*pip, "install", *pinned, "--only-binary", ":all:", "-r", str(build_requirements)]
        from_source = [*pip, "wheel", *pinned, "--no-binary", ":all:", "--no-build-isolation", "-r", str(requirements)]
        objects = [compile_companion(each, directory, environment, host) for each in companions]
        environment["LDFLAGS"] = f"{shlex.join(str(each) for each in objects)} {environment['LDFLAGS']}".strip()
        steps = [
            ([executable, "-I", "-m", "venv", str(tools)], "the build environment could not be made"),
            (from_wheels, "the build tools could not be installed from the package index"),
            ([*from_source, "--wheel-dir", str(output)], "the source distribution could not be built"),
        ]
        log = ""
        for command, failure in steps:
            code, text = _run(command, environment, directory)
            log += text
            if not code:
                continue
            mismatch = hash_mismatch(text)
            if mismatch:
                raise BuildError(
                    f"Checksum mismatch for the download of mod_wsgi {version} on host {host}: expected {mismatch[0]}, "
                    f"got {mismatch[1]}; find out what the package index delivers before you go on.",
                    log,
                )
            raise BuildError(
                f"mod_wsgi {version} was not built for Python {python} on host {host}, since {failure}: "
                f"{_last_error(text)}",
                log,
            )
        (wheel,) = output.glob("mod_wsgi-*.whl")
        if not wheel.name.startswith(f"mod_wsgi-{version}-"):
            raise BuildError(
                f"The source distribution yielded {wheel.name} on host {host}, and mod_wsgi_version is {version}; "
                "make both the same.",
                log,
            )
        verify_wheel(wheel, python)
        destination.mkdir(mode=0o755, parents=True, exist_ok=True)
        final = destination / wheel.name
        checksum = sha256_of(wheel)
        shutil.move(str(wheel), final)
        final.chmod(0o644)
        Path(f"{final}.sha256").write_text(f"{checksum}  {final.name}\n", encoding="utf-8")
        return final, checksum
    finally:
        shutil.rmtree(directory, ignore_errors=True)
        os.close(turn)
