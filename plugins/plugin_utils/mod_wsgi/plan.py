# SPDX-License-Identifier: Apache-2.0
"""Decide on the control node what a host needs, from the settings, the version table and what the host said.

``settings`` are the role's variables without their prefix: host, python, version, install_method, source,
source_sha256, wheel, wheel_sha256, wheel_cache, build_on, verify_wheel (bool), allow_known_bad, destroy_interpreter,
reload_drain_timeout (float, seconds), directives; and build_host_known (bool): whether the inventory has the host that
build_on names. ``inspection`` is what the module ``modwsgi.deploy.mod_wsgi_interpreter`` returned; it comes from a
host, so it is checked before anything else (``host_answers``).
"""

from __future__ import annotations

import hashlib
import json
import re
import urllib.parse
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from ansible_collections.modwsgi.deploy.plugins.module_utils.distributions import DISTRIBUTIONS, Distribution
from ansible_collections.modwsgi.deploy.plugins.module_utils.httpd.foreign import python_problem
from ansible_collections.modwsgi.deploy.plugins.module_utils.mod_wsgi.installation import (
    COMPANIONS,
    missing_companions,
    modules_of_wheel,
    sha256_of,
)
from ansible_collections.modwsgi.deploy.plugins.module_utils.mod_wsgi.versions import (
    DEFAULT_VERSION,
    FIRST_WITH_TOGGLE,
    MODULE_VERSIONS,
    build_packages,
    packaged_module,
    range_reason,
    runtime_packages,
    version_key,
    versions_for,
)
from ansible_collections.modwsgi.deploy.plugins.plugin_utils import rendering
from ansible_collections.modwsgi.deploy.plugins.plugin_utils.host_answers import interpreter_answer
from ansible_collections.modwsgi.deploy.plugins.plugin_utils.mod_wsgi import container_engine
from ansible_collections.modwsgi.deploy.plugins.plugin_utils.mod_wsgi.directives import (
    sentences,
    server_lines,
    server_problems,
)
from ansible_collections.modwsgi.deploy.plugins.plugin_utils.rendering import ROLES

ROLE = "mod_wsgi"
ROOT = "/opt/mod_wsgi"

COMPANION_SOURCES = tuple(ROLES / ROLE / f"files/mod_{name}.c" for name in COMPANIONS)
"""What a build links into the module, on the control node."""

DEFAULT_RELOAD_DRAIN = 2.0
LONGEST_RELOAD_DRAIN = 30
"""Seconds; mod_reload_drain.c has the same bound."""

EACH, CONTAINER, HOST = "each", "control_container", "host"
"""Who builds a wheel: every host its own, a container on the control node, a host that the operator names."""

_BUILD_HOST = re.compile(r"host:(?P<name>\S.*)")
_LONGEST_PREFIX = 80
"""Characters of an interpreter's prefix in the name of a folder; a name may have 255."""

_VERSION = re.compile(r"\d+\.\d+\.\d+")
_PYTHON = re.compile(r"3\.\d+")
_SHA256 = re.compile(r"[0-9a-f]{64}")
# mod_wsgi-6.1.1-cp311-cp311-linux_x86_64.whl
_WHEEL = re.compile(r"mod_wsgi-(?P<version>[^-]+)-(?P<abi>cp\d+)-(?P=abi)-linux_(?P<architecture>\w+)\.whl")

# Python 3.1 to 3.5 are long gone: such a number is an unquoted 3.10 to 3.50 that YAML has read as a number.
_LOWEST_MINOR = 6


def expected_sha256(settings: Mapping[str, Any]) -> str:
    """The checksum that the source distribution must have: the user's, else the table's, else ""."""
    known = MODULE_VERSIONS.get(settings["version"])
    return settings["source_sha256"].lower() or (known.sha256 if known else "")


def local_path(path: str) -> str:
    """A path of the control node in full; relative ones count from the folder that ansible-playbook runs in."""
    return str(Path(path).expanduser().absolute()) if path else ""


def _python_problem(settings: Mapping[str, Any]) -> str:
    python, host = settings["python"], settings["host"]
    if python.startswith("/"):
        return ""
    if not _PYTHON.fullmatch(python):
        return (
            f'mod_wsgi_python of host {host} is "{python}"; give a version such as "3.11", or the absolute path '
            "of an interpreter."
        )
    if version_key(python)[1] < _LOWEST_MINOR:
        return (
            f"mod_wsgi_python of host {host} is {python}, which no mod_wsgi here supports; when {python}0 is meant, "
            f'put it in quotes in the inventory: "{python}0".'
        )
    return ""


def _range_problem(settings: Mapping[str, Any], python: str, distribution: Distribution | None = None) -> str:
    """``distribution`` is None as long as it is not known: then what some compilers only refuse is no problem yet."""
    version = settings["version"]
    strict = bool(distribution and distribution.strict_compiler)
    reason = "" if python.startswith("/") else range_reason(version, python, strict)
    if not reason:
        return ""
    known = MODULE_VERSIONS[version]
    first, last = known.pythons(strict)
    where = f" on {distribution.title}" if distribution and (first, last) != known.pythons(False) else ""
    others = versions_for(python, strict_compiler=strict or distribution is None)
    advice = f"set mod_wsgi_version to one of {', '.join(others)}, or choose" if others else "choose"
    return (
        f"mod_wsgi {version} supports Python {first} to {last}{where}, and host {settings['host']} is to use "
        f"{python} ({reason}); {advice} another Python in mod_wsgi_python."
    )


def _version_problem(settings: Mapping[str, Any]) -> str:
    version, host = settings["version"], settings["host"]
    if not _VERSION.fullmatch(version):
        return f'mod_wsgi_version of host {host} is "{version}"; give a version such as "{DEFAULT_VERSION}".'
    known = MODULE_VERSIONS.get(version)
    if known is None or not known.known_bad or version in settings["allow_known_bad"]:
        return ""
    return (
        f"mod_wsgi {version} (mod_wsgi_version of host {host}) is known to be bad: {known.known_bad}; "
        f"use {DEFAULT_VERSION}, or insist with mod_wsgi_allow_known_bad: ['{version}']."
    )


def _toggle_problem(settings: Mapping[str, Any]) -> str:
    version = settings["version"]
    if settings["destroy_interpreter"] or version_key(version) >= version_key(FIRST_WITH_TOGGLE):
        return ""
    return (
        f"mod_wsgi_destroy_interpreter of host {settings['host']} is false, which mod_wsgi {version} does not know; "
        f"set mod_wsgi_version to {FIRST_WITH_TOGGLE} or later, or remove mod_wsgi_destroy_interpreter."
    )


def _drain_problem(settings: Mapping[str, Any]) -> str:
    timeout = float(settings["reload_drain_timeout"])
    if 0 <= timeout <= LONGEST_RELOAD_DRAIN:
        return ""
    return (
        f"mod_wsgi_reload_drain_timeout of host {settings['host']} is {timeout:g}; give seconds from 0 (off) to "
        f"{LONGEST_RELOAD_DRAIN}."
    )


def _missing_drain_problem(settings: Mapping[str, Any], made: Mapping[str, Any]) -> str:
    """Why a time is asked for in vain; the default asks for nothing."""
    timeout = float(settings["reload_drain_timeout"])
    if made["reload_drain"] or timeout in (0, DEFAULT_RELOAD_DRAIN):
        return ""
    return (
        f"mod_wsgi_reload_drain_timeout of host {settings['host']} is {timeout:g}, and "
        f"{made['wheel'] or made['module']} cannot hold a reload, since it was not built by this "
        "role; use the method source, or remove mod_wsgi_reload_drain_timeout."
    )


def _checksum_problem(settings: Mapping[str, Any]) -> str:
    version, host, given = settings["version"], settings["host"], settings["source_sha256"].lower()
    known = MODULE_VERSIONS.get(version)
    if given and not _SHA256.fullmatch(given):
        return f"mod_wsgi_source_sha256 of host {host} is not a SHA-256; give 64 hexadecimal digits."
    if not expected_sha256(settings):
        return (
            f"No checksum is known for mod_wsgi {version} (mod_wsgi_version of host {host}); verify its source "
            f"distribution and give its checksum in mod_wsgi_source_sha256, or use {DEFAULT_VERSION}."
        )
    if given and not settings["source"] and known and known.sha256 and given != known.sha256:
        return (
            f"Checksum mismatch for the published source of mod_wsgi {version} on host {host}: expected {given} "
            f"(mod_wsgi_source_sha256), got {known.sha256} (the published one); correct or remove "
            "mod_wsgi_source_sha256, or give your own source in mod_wsgi_source."
        )
    return ""


def _source_problem(settings: Mapping[str, Any]) -> str:
    source, host = local_path(settings["source"]), settings["host"]
    if not source:
        return ""
    if not source.endswith(".tar.gz") or not Path(source).is_file():
        return (
            f"mod_wsgi_source of host {host} names {source}, which is no .tar.gz file on the control node; correct it."
        )
    expected, found = expected_sha256(settings), sha256_of(source)
    if found == expected:
        return ""
    return (
        f"Checksum mismatch for mod_wsgi_source {source} of host {host}: expected {expected}, got {found}; "
        "get the right file, or give its checksum in mod_wsgi_source_sha256."
    )


def _wheel_problem(settings: Mapping[str, Any]) -> str:
    wheel, host = local_path(settings["wheel"]), settings["host"]
    if settings["wheel_sha256"] and not _SHA256.fullmatch(settings["wheel_sha256"].lower()):
        return f"mod_wsgi_wheel_sha256 of host {host} is not a SHA-256; give 64 hexadecimal digits."
    if not wheel:
        return ""
    name = _WHEEL.fullmatch(Path(wheel).name)
    if not name or not Path(wheel).is_file():
        return f"mod_wsgi_wheel of host {host} names {wheel}, which is no wheel of mod_wsgi for Linux; correct it."
    if name["version"] == settings["version"]:
        return ""
    return (
        f"mod_wsgi_wheel of host {host} names {wheel}, which holds mod_wsgi {name['version']}, and mod_wsgi_version "
        f"is {settings['version']}; make both the same."
    )


def build_place(build_on: str) -> tuple[str, str]:
    """Who builds: EACH, CONTAINER or HOST, and with HOST the name of the host; ("", "") for anything else."""
    if build_on in (EACH, CONTAINER):
        return build_on, ""
    named = _BUILD_HOST.fullmatch(build_on)
    return (HOST, named["name"]) if named else ("", "")


def _build_on_problem(settings: Mapping[str, Any]) -> str:
    build_on, host = settings["build_on"], settings["host"]
    place, builder = build_place(build_on)
    if not place:
        return (
            f'mod_wsgi_build_on of host {host} is "{build_on}"; give {EACH}, {CONTAINER}, or {HOST}:NAME with the name '
            "of a host of the inventory."
        )
    if place == HOST and not settings["build_host_known"]:
        return (
            f"mod_wsgi_build_on of host {host} names {builder}, which is no host of the inventory; add it there, or "
            "name another one."
        )
    if settings["verify_wheel"] and place == EACH and settings["install_method"] == "source":
        return (
            f"mod_wsgi_verify_wheel of host {host} is true, and mod_wsgi_build_on is {EACH}, where no host gets a "
            f"wheel of somebody else's; set mod_wsgi_build_on to {CONTAINER} or {HOST}:NAME, or remove "
            "mod_wsgi_verify_wheel."
        )
    if settings["install_method"] == "wheel" and not settings["wheel"] and place == EACH:
        return (
            f"mod_wsgi_install_method of host {host} is wheel, and mod_wsgi_build_on is {EACH}, under which the "
            f"control node keeps no wheel; set mod_wsgi_build_on to the builder whose wheels are kept ({CONTAINER} or "
            f"{HOST}:NAME), or name a wheel in mod_wsgi_wheel."
        )
    return ""


def _method_problem(settings: Mapping[str, Any]) -> str:
    method = settings["install_method"]
    its_methods = (("wheel", "wheel"), ("wheel_sha256", "wheel"), ("source", "source"), ("source_sha256", "source"))
    for option, its_method in its_methods:
        if settings[option] and method != its_method:
            return (
                f"mod_wsgi_{option} of host {settings['host']} is set, and mod_wsgi_install_method is {method}; "
                f"set mod_wsgi_install_method: {its_method}, or remove mod_wsgi_{option}."
            )
    return ""


def _artefact_problem(settings: Mapping[str, Any]) -> str:
    if settings["install_method"] == "wheel":
        return _wheel_problem(settings)
    return _checksum_problem(settings) or _source_problem(settings)


def settings_problems(settings: Mapping[str, Any]) -> list[str]:
    """What is wrong with the settings as far as the control node alone can tell; a sentence each.

    Of those about the version only the first: to mend it often means another version.
    """
    problem = _python_problem(settings)
    if settings["install_method"] != "package":  # there the distribution decides the version, see _package_plan
        problem = (
            problem
            or _version_problem(settings)
            or _range_problem(settings, settings["python"])
            or _toggle_problem(settings)
            or _build_on_problem(settings)
            or _artefact_problem(settings)
        )
    known = not problem and settings["install_method"] != "package"
    found = sentences(server_problems(settings["directives"], settings["version"] if known else ""))
    sentences_of_all = (_method_problem(settings), problem, _drain_problem(settings), *found)
    return [sentence for sentence in sentences_of_all if sentence]


def wheel_key(settings: Mapping[str, Any], inspection: Mapping[str, Any]) -> str:
    """Name of the folder, in a cache of wheels, of everything that a wheel depends on save its version.

    A Python of the user's is named too, since its libpython's folder is written into the module, and so is
    a source that is not the published one, and of what is built the sources of the companions, which are in it.
    """
    interpreter = inspection["interpreter"]
    parts = [
        inspection["distribution"],
        inspection["architecture"],
        f"mmn{inspection['httpd_api']}",
        interpreter["abi"],
    ]
    if not interpreter["from_distribution"]:
        parts.append(_prefix_part(interpreter["prefix"]))
    known = MODULE_VERSIONS.get(settings["version"])
    checksum = expected_sha256(settings)
    if settings["install_method"] == "source" and checksum != (known.sha256 if known else ""):
        parts.append(f"source_{checksum[:12]}")
    # A wheel of the user's is what it is; one of the cache was built here, also where the method is `wheel`.
    if not settings["wheel"]:
        digests = "".join(sha256_of(source) for source in COMPANION_SOURCES)
        parts.append(f"with_{hashlib.sha256(digests.encode()).hexdigest()[:12]}")
    return "-".join(parts)


def _prefix_part(prefix: str) -> str:
    part = re.sub(r"\W+", "_", prefix.strip("/"))
    if len(part.encode()) <= _LONGEST_PREFIX:
        return part
    return f"prefix_{hashlib.sha256(prefix.encode()).hexdigest()[:12]}"


def builder_folder(settings: Mapping[str, Any]) -> str:
    """Name of the folder, in the wheel cache, of the wheels of one builder; "" where the control node keeps none.

    A wheel is trusted because of who has built it, so the wheels of two builders are never taken for each other's, and
    none that was built before somebody was named; nor is one that was not built twice taken for one that was.
    """
    place, builder = build_place(settings["build_on"])
    if place == EACH:
        return ""
    name = CONTAINER if place == CONTAINER else f"{HOST}-{urllib.parse.quote(builder, safe='')}"
    # No name of a host has a plus here.
    return f"{name}+verified" if settings["verify_wheel"] else name


def wheel_name(version: str, inspection: Mapping[str, Any]) -> str:
    """File name of the wheel that a build yields."""
    abi = inspection["interpreter"]["abi"]
    return f"mod_wsgi-{version}-{abi}-{abi}-linux_{inspection['architecture']}.whl"


def read_checksum(path: str) -> str:
    """The SHA-256 in a file as sha256sum writes it; "" when there is no such file or it holds none."""
    try:
        found = Path(path).read_text(encoding="utf-8").split(maxsplit=1)
    except OSError:
        return ""
    return found[0] if found and _SHA256.fullmatch(found[0]) else ""


def cached_wheel(path: str) -> str:
    """The recorded SHA-256 of a wheel in the cache; "" when the wheel or its checksum is not there.

    Raises ValueError with a sentence when the wheel is not what was recorded.
    """
    recorded = read_checksum(f"{path}.sha256")
    if not recorded or not Path(path).is_file():
        return ""
    found = sha256_of(path)
    if found != recorded:
        raise ValueError(
            f"Checksum mismatch for the cached wheel {path}: expected {recorded}, got {found}; remove it and "
            f"{path}.sha256, then run again."
        )
    return recorded


def _package_problem(settings: Mapping[str, Any], inspection: Mapping[str, Any], distribution: Distribution) -> str:
    interpreter, wanted = inspection["interpreter"], settings["version"]
    asked = f"mod_wsgi_install_method of host {settings['host']} is package, and {distribution.title}"
    if not distribution.module_version:
        return f"{asked}'s package has not been verified; use the method source."
    if not interpreter["from_distribution"]:
        return (
            f"{asked} built its mod_wsgi {distribution.module_version} for its own Python {distribution.python}, "
            f"not for {interpreter['executable']} ({interpreter['version']}); "
            f'set mod_wsgi_python: "{distribution.python}", or use the method source.'
        )
    if wanted not in (DEFAULT_VERSION, distribution.module_version):
        return (
            f"{asked} packages mod_wsgi {distribution.module_version}, not {wanted}; remove mod_wsgi_version, "
            "or use the method source."
        )
    return ""


def _package_plan(settings: Mapping[str, Any], inspection: Mapping[str, Any]) -> dict[str, Any]:
    distribution = DISTRIBUTIONS[inspection["distribution"]]
    return {
        "problem": _package_problem(settings, inspection, distribution),
        "version": distribution.module_version,
        "key": "",
        "directory": "",
        "express": "",
        "module": packaged_module(inspection["interpreter"]["version"]),
        "wheel": "",
        "wheel_name": "",
        "wheel_sha256": "",
        "build_on": "",
        "build_host": settings["host"],
        **dict.fromkeys(COMPANIONS, False),
        "action": "install" if inspection["missing_packages"] else "none",
        "installation": {},
    }


def _find_wheel(settings: Mapping[str, Any], key: str, name: str) -> tuple[str, str, str]:
    """Path of the wheel on the control node, its SHA-256 ("" when it is not there), and what is wrong with it.

    The path is "" where the host compiles for itself.
    """
    own, folder = local_path(settings["wheel"]), builder_folder(settings)
    if not own and not folder:
        return "", "", ""
    path = own or local_path(str(Path(settings["wheel_cache"], folder, key, name)))
    if own and Path(own).name != name:
        problem = f"mod_wsgi_wheel of host {settings['host']} names {own}, and the host needs {name}; give that one."
        return path, "", problem
    try:
        checksum = cached_wheel(path) or (sha256_of(own) if own else "")
    except ValueError as error:
        return path, "", str(error)
    pinned = settings["wheel_sha256"].lower()
    if pinned and checksum and checksum != pinned:
        problem = (
            f"Checksum mismatch for the wheel {path} of host {settings['host']}: expected {pinned} "
            f"(mod_wsgi_wheel_sha256), got {checksum}; get the right file, or correct mod_wsgi_wheel_sha256."
        )
        return path, "", problem
    return path, checksum, ""


def _is_installed(settings: Mapping[str, Any], inspection: Mapping[str, Any], key: str, checksum: str) -> bool:
    """Whether the host has this installation already, of this source (or this wheel), with all packages."""
    installation = inspection["installation"]
    if not installation or inspection["missing_packages"] or installation["key"] != key:
        return False
    named = settings["wheel"] or settings["wheel_sha256"]
    return not named or installation["wheel_sha256"] == checksum


def _build_problem(settings: Mapping[str, Any], inspection: Mapping[str, Any], wheel: str) -> str:
    interpreter, host = inspection["interpreter"], settings["host"]
    if settings["install_method"] == "wheel":
        return (
            f"mod_wsgi_install_method of host {host} is wheel, and there is no {wheel} (with its .sha256) on the "
            "control node; build it once with the method source, or name a wheel in mod_wsgi_wheel."
        )
    place, builder = build_place(settings["build_on"])
    compiles = place == EACH or builder == host or settings["verify_wheel"]
    if compiles and not interpreter["from_distribution"] and not interpreter["headers"]:
        return (
            f"{interpreter['executable']} on host {host} (Python {interpreter['version']}) has no headers (Python.h), "
            "which building mod_wsgi needs; install them, or supply a wheel in mod_wsgi_wheel."
        )
    return _container_problem(settings, inspection)


def _container_problem(settings: Mapping[str, Any], inspection: Mapping[str, Any]) -> str:
    interpreter = inspection["interpreter"]
    asked = f"mod_wsgi_build_on of host {settings['host']} is {CONTAINER}"
    others = f"set mod_wsgi_build_on to {EACH} or {HOST}:NAME"
    if build_place(settings["build_on"])[0] != CONTAINER:
        return ""
    if not interpreter["from_distribution"]:
        return (
            f"{asked}, and a container has the distribution's Python, not {interpreter['executable']} "
            f"({interpreter['version']}); {others}, or supply a wheel in mod_wsgi_wheel."
        )
    problem = container_engine.problem()
    return f"{asked}, and {problem}; start one, or {others}." if problem else ""


def _companions(installation: Mapping[str, Any], wheel: str, checksum: str, action: str) -> dict[str, bool]:
    """Which companions the module that will serve has: each that is built here has all, one of the user's may."""
    if action == "none":
        return {name: bool(installation.get(name)) for name in COMPANIONS}
    missing = missing_companions(b"".join(modules_of_wheel(wheel))) if checksum else []
    return {name: name not in missing for name in COMPANIONS}


def _wheel_plan(settings: Mapping[str, Any], inspection: Mapping[str, Any]) -> dict[str, Any]:
    interpreter, version = inspection["interpreter"], settings["version"]
    python = interpreter["version"]
    distribution = DISTRIBUTIONS[inspection["distribution"]]
    key, name = wheel_key(settings, inspection), wheel_name(version, inspection)
    wheel, checksum, problem = _find_wheel(settings, key, name)
    place, builder = build_place(settings["build_on"])
    problem = _range_problem(settings, python, distribution) or problem

    action = "install" if checksum else "build"
    if _is_installed(settings, inspection, key, checksum):
        action = "none"
    elif action == "build":
        problem = problem or _build_problem(settings, inspection, wheel)

    directory = f"{ROOT}/{version}-{interpreter['abi']}"
    server = f"{directory}/lib/python{python}/site-packages/mod_wsgi/server"
    return {
        "problem": problem,
        "version": version,
        "key": key,
        "directory": directory,
        "express": f"{directory}/bin/mod_wsgi-express",
        "module": f"{server}/mod_wsgi-py{python.replace('.', '')}{interpreter['extension_suffix']}",
        "wheel": wheel,
        "wheel_name": name,
        "wheel_sha256": checksum,
        "build_on": place,
        # Also where a container builds: Ansible wants to know a host before it asks whether a task is run at all.
        "build_host": builder or settings["host"],
        "build_image": distribution.image,
        "source": local_path(settings["source"]),
        "source_sha256": expected_sha256(settings),
        "build_packages": [
            *build_packages(python, interpreter["from_distribution"]),
            # A builder need not serve.
            *(runtime_packages(python) if interpreter["from_distribution"] else []),
        ],
        **_companions(inspection["installation"], wheel, checksum, action),
        "action": action,
        "installation": inspection["installation"] if action == "none" else {},
    }


def plan(settings: Mapping[str, Any], inspection: Mapping[str, Any]) -> dict[str, Any]:
    """What the role will do on a host.

    Returns: problem (a sentence; if not "", nothing may be changed); version (the one that will serve); key (folder in
    a cache of wheels); directory, express and module (paths on the host); wheel (path on the control node; "" where the
    host compiles for itself), wheel_name and wheel_sha256 ("" until it is built); build_on (EACH, CONTAINER or HOST),
    build_host and build_image; source and source_sha256; build_packages; reload_drain, wsgi_buffering and
    wsgi_admission (whether the module has these companions); action (none, install or build); installation (record of
    the one that is there, empty when there is none or the distribution's package serves); settings (those it is made
    from).

    Raises AnswerError when the host answers what no honest one does.
    """
    inspection = interpreter_answer(inspection, settings["host"])
    make = _package_plan if settings["install_method"] == "package" else _wheel_plan
    made = make(settings, inspection)
    # Only here is the version known that a distribution's package brings.
    unavailable = sentences(server_problems(settings["directives"], made["version"])) if made["version"] else []
    foreign = python_problem(
        settings.get("foreign", {}), settings["host"], inspection["interpreter"].get("version", "")
    )
    # First: with the right headers, that Python could not serve here either.
    problem = foreign or made["problem"] or _missing_drain_problem(settings, made) or " ".join(unavailable)
    return {**made, "problem": problem, "settings": dict(settings)}


def orderer(wheel: str, hosts: Iterable[str], plans: Mapping[str, Mapping[str, Any]]) -> str:
    """The host for whose sake a wheel (its path in the cache) is built: the first that lacks it; "" when none does.

    A wheel that is built twice is compared with the one of this host, so it is another than the named builder.
    """
    for host in hosts:
        made = plans.get(host, {})
        if made.get("action") != "build" or made.get("wheel") != wheel:
            continue
        builds = made["build_on"] == HOST and made["build_host"] == host
        if not (builds and made["settings"]["verify_wheel"]):
            return host
    return ""


def order(host: str, plans: Mapping[str, Mapping[str, Any]], own: str = "", ready: bool = False) -> dict[str, Any]:
    """``orders``: whether the wheel of a host is built on its behalf; ``wheel_sha256``: what it gets, "" for none yet.

    A host that compiles for itself gets what it has built (``own``), all others what the control node has looked at.
    ``plans`` are those of all hosts of the play, in their order; ``ready``: builds are over. Raises ValueError when
    nobody can build a second time what is to be verified, or there is no wheel after the builds.
    """
    made = plans[host]
    building = made["action"] == "build"
    first = orderer(made["wheel"], plans, plans) if building else ""
    if building and made["settings"]["verify_wheel"] and not first:
        raise ValueError(
            f"mod_wsgi_verify_wheel of host {host} is true, and no host of this play but {host} itself, which builds, "
            f"needs {made['wheel_name']}, so nobody builds it a second time; run the play with another host of the "
            f"same kind, or set mod_wsgi_build_on to {CONTAINER}."
        )
    checksum = made["wheel_sha256"] or (cached_wheel(made["wheel"]) if made["wheel"] else own)
    if ready and made["wheel"] and not checksum:
        raise ValueError(
            f"There is no wheel {made['wheel']} for host {host}, since the host of this play that was to build it has "
            "failed; correct what that host reports, then run again."
        )
    return {"orders": building and (made["build_on"] == EACH or first == host), "wheel_sha256": checksum}


_KIND = (
    ("distribution", ("distribution",)),
    ("architecture", ("architecture",)),
    ("module API of httpd", ("httpd_api",)),
    ("Python", ("interpreter", "version")),
    ("prefix of Python", ("interpreter", "prefix")),
    ("interpreter", ("interpreter", "executable")),
    ("libpython", ("interpreter", "libpython")),
)


def build_host_problem(settings: Mapping[str, Any], inspection: Mapping[str, Any], builder: Mapping[str, Any]) -> str:
    """Why the named host cannot build for a host, "" when it can: it has to be of the same kind.

    ``builder`` is what the module ``mod_wsgi_interpreter`` returned on the named host. Raises AnswerError.
    """
    name = build_place(settings["build_on"])[1]
    mine, theirs = interpreter_answer(inspection, settings["host"]), interpreter_answer(builder, name)
    asked = f"mod_wsgi_build_on of host {settings['host']} names {name}"
    for title, keys in _KIND:
        wanted: Any = mine
        found: Any = theirs
        for key in keys:
            wanted, found = wanted[key], found[key]
        if wanted != found:
            return (
                f"{asked}, whose {title} is {found}, and the host needs {wanted}; name a host of the same kind in "
                "mod_wsgi_build_on."
            )
    if not theirs["interpreter"]["from_distribution"] and not theirs["interpreter"]["headers"]:
        return f"{asked}, whose {theirs['interpreter']['executable']} has no headers (Python.h); install them there."
    return ""


def record(settings: Mapping[str, Any], inspection: Mapping[str, Any], made: Mapping[str, Any]) -> dict[str, Any]:
    """The record of an installation: kept with it, and written to the host's facts (``ansible_local.mod_wsgi``).

    The same for every run that finds the installation in place, so it holds no time and no host. Raises AnswerError.
    """
    inspection = interpreter_answer(inspection, settings["host"])
    passing = ("headers", "installed")
    interpreter = {key: value for key, value in inspection["interpreter"].items() if key not in passing}
    return {
        "version": made["version"],
        "install_method": settings["install_method"],
        "interpreter": interpreter,
        "module": made["module"],
        "express": made["express"],
        "httpd_api": inspection["httpd_api"],
        "key": made["key"],
        **{name: made[name] for name in COMPANIONS},
    }


def _accept_mutex(instance: Mapping[str, str], directives: Mapping[str, Any] | None) -> list[str]:
    """The kind of lock on a host, where the user names none: the launcher knows it, and lets go of those of others.

    What a library takes by default may be in memory that all daemon processes share. sysvsem is kept apart by the
    kernel, but httpd removes it before the processes end, and each that waits then logs WSGI0017 at the level crit, at
    each reload and stop; after a crash it stays for ever (measured on Debian 12, mod_wsgi 6.1.1, 2026-11).
    """
    return [] if not instance["unit"] or (directives or {}).get("accept_mutex") else ["WSGIAcceptMutex fcntl"]


def files(
    installation: Mapping[str, Any],
    instance: Mapping[str, str],
    destroy_interpreter: bool = True,
    directives: Mapping[str, Any] | None = None,
    reload_drain_timeout: float = DEFAULT_RELOAD_DRAIN,
    beside_others: bool = False,
) -> list[dict[str, Any]]:
    """The files of the role for the configuration transaction: module and settings, their links, the facts file.

    Whatever loads the distribution's own module is taken away: httpd would take the first of two
    modules of one name, and ignore the other with no more than a warning. ``beside_others``: what a site of others has
    in the configuration of the distribution's module still holds for ours.
    """
    others = [] if beside_others else ["mods-enabled/wsgi.conf"]
    values = {
        "installation": installation,
        "socket_prefix": f"{instance['socket_directory']}/wsgi",
        "spool_directory": instance["spool_directory"],
        "destroy_interpreter": destroy_interpreter,
        "reload_drain_timeout": f"{reload_drain_timeout:g}",
        "accept_mutex": _accept_mutex(instance, directives),
        "server_lines": server_lines(directives),
    }
    environment = rendering.templates(ROLE)
    return [
        *(
            {
                "path": f"mods-available/modwsgi.{suffix}",
                "content": environment.get_template(f"modwsgi.{suffix}.j2").render(values),
                "action": "restart",
            }
            for suffix in ("load", "conf")
        ),
        {"path": "mods-enabled/modwsgi.load", "link": "../mods-available/modwsgi.load", "action": "restart"},
        {"path": "mods-enabled/modwsgi.conf", "link": "../mods-available/modwsgi.conf", "action": "restart"},
        *(
            {"path": path, "absent": True, "adopt": True, "action": "restart"}
            for path in ("mods-enabled/wsgi.load", *others)
        ),
        {
            "path": instance["facts_file"],
            "content": json.dumps(dict(installation), indent=2, sort_keys=True) + "\n",
        },
    ]
