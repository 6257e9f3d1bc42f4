# SPDX-License-Identifier: Apache-2.0
"""Check what a managed host answers, before it is used on the control node. Runs on the control node only.

A host may be compromised, and what it says becomes part of paths, file names and sizes here. So each answer is held to
what an honest host can say: a value of a list, a number within bounds, a name or path of few characters and bounded
length. Braces are in none of them, so that no answer is a template. What is not known is left out.
"""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Collection, Mapping, Sequence
from typing import Any

from ansible_collections.modwsgi.deploy.plugins.module_utils.distributions import DISTRIBUTIONS
from ansible_collections.modwsgi.deploy.plugins.module_utils.httpd.foreign import NEEDING_PREFORK
from ansible_collections.modwsgi.deploy.plugins.module_utils.mod_wsgi.installation import COMPANIONS
from ansible_collections.modwsgi.deploy.plugins.module_utils.mod_wsgi.versions import MODULE_PACKAGE, runtime_packages

ARCHITECTURES = (
    "x86_64", "aarch64", "armv5tel", "armv6l", "armv7l", "armv8l", "i386", "i486", "i586", "i686", "loongarch64",
    "mips", "mips64", "ppc64le", "riscv64", "s390x",
)  # fmt: skip
"""What `uname -m` says on the machines that Debian is made for."""

SERVICE_MANAGERS = ("systemd", "sysvinit", "none")
INSTALL_METHODS = ("source", "wheel", "package")

MOST_CORES = 8192
MOST_MEMORY_MEBIBYTES = 64 << 20
"""64 TiB, the most that the kernel addresses on x86_64 with four levels of pages."""
HTTPD_APIS = (20051115, 20991231)
"""The major part of httpd's Module Magic Number is a date: that of httpd 2.2, and one that is far away."""
LONGEST_PATH = 1024
LONGEST_NAME = 255
LONGEST_SENTENCE = 4096
_LONGEST_SHOWN = 80

# Unicode letters are letters, as in the path of a Python of the user's; digits are those of ASCII.
_PATH = re.compile(r"(/[\w .+@,:=~()-]+)+")
MOST_NAMES = 1000
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]*")
_SUFFIX = re.compile(r"\.[A-Za-z0-9][A-Za-z0-9_.-]*\.so|\.so")
_PYTHON = re.compile(r"3\.[0-9]{1,2}")
_FULL_PYTHON = re.compile(r"3\.[0-9]{1,2}(\.[0-9]{1,3})?")
_VERSION = re.compile(r"[0-9]{1,3}\.[0-9]{1,3}\.[0-9]{1,3}")
SHA256 = re.compile(r"[0-9a-f]{64}")

Check = Callable[[Any], str]
"""Says what a value has to be; "" when it is that."""


class AnswerError(ValueError):
    """An answer that no honest host gives; the text is one sentence for the user."""


def _among(values: Sequence[str]) -> Check:
    wanted = values[0] if len(values) == 1 else f"one of {', '.join(values)}"
    return lambda value: "" if isinstance(value, str) and value in values else wanted


def _whole(least: int, most: int) -> Check:
    wanted = f"a whole number from {least} to {most}"

    def check(value: Any) -> str:
        fits = isinstance(value, int) and not isinstance(value, bool) and least <= value <= most
        return "" if fits else wanted

    return check


def _text(pattern: re.Pattern[str], wanted: str, longest: int = LONGEST_NAME) -> Check:
    def check(value: Any) -> str:
        fits = isinstance(value, str) and len(value) <= longest and pattern.fullmatch(value)
        return "" if fits else wanted

    return check


def _boolean(value: Any) -> str:
    return "" if isinstance(value, bool) else "true or false"


def _names(value: Any) -> str:
    fits = isinstance(value, list) and len(value) <= MOST_NAMES
    fits = fits and all(isinstance(name, str) and len(name) <= LONGEST_NAME and _NAME.fullmatch(name) for name in value)
    return "" if fits else f"a list of at most {MOST_NAMES} names"


def _sentence(value: Any) -> str:
    return "" if isinstance(value, str) and 0 < len(value) <= LONGEST_SENTENCE else "a sentence"


def _sentences(most: int) -> Check:
    def check(value: Any) -> str:
        fits = isinstance(value, list) and len(value) <= most and not any(map(_sentence, value))
        return "" if fits else f"a list of at most {most} sentences"

    return check


def _path(value: Any) -> str:
    fits = isinstance(value, str) and len(value) <= LONGEST_PATH and _PATH.fullmatch(value)
    return "" if fits and os.path.normpath(value) == value else "an absolute path without `..`"


def _path_or_nothing(value: Any) -> str:
    return "" if isinstance(value, str) and not value else _path(value)


MOST_ENTRIES = 10_000


def _entries(keys: Mapping[str, Collection[str] | re.Pattern[str]], text: str) -> Check:
    """A list of mappings: each has a word for each key, among some or as a pattern says, and one line of ``text``."""

    def fits(entry: Any) -> bool:
        if not isinstance(entry, Mapping) or set(entry) != {*keys, text}:
            return False
        if not all(isinstance(value, str) for value in entry.values()):
            return False
        words = (
            allowed.fullmatch(entry[key]) if isinstance(allowed, re.Pattern) else entry[key] in allowed
            for key, allowed in keys.items()
        )
        return all(words) and len(entry[text]) <= LONGEST_SENTENCE and entry[text].isprintable()

    def check(value: Any) -> str:
        fitting = isinstance(value, list) and len(value) <= MOST_ENTRIES and all(map(fits, value))
        return "" if fitting else f"a list of entries with {', '.join(keys)} and a line of {text}"

    return check


def _packages(allowed: Collection[str]) -> Check:
    def check(value: Any) -> str:
        fits = isinstance(value, list) and all(isinstance(name, str) and name in allowed for name in value)
        return "" if fits and len(value) <= len(allowed) else f"a list of packages among {', '.join(sorted(allowed))}"

    return check


FOREIGN_KEYS = (
    "sites", "vhosts", "files", "listen", "listen_with_ssl", "wsgi", "python", "acme", "mpm", "served_by_main",
)  # fmt: skip
"""What `httpd_foreign.find` tells of the sites of others."""
MOST_FOREIGN_VALUES = 20_000
_DEEPEST_FOREIGN = 5
_FOREIGN_KEY = re.compile(r"[a-z_]{1,40}")
# Names and paths of others may have almost any character; what begins a template is in none of them.
_FOREIGN_TEXT = re.compile(r"(?:[^\x00-\x1f\x7f{]|\{(?![{%#]))*")


def _foreign(value: Any) -> str:
    """Nothing, or the known keys with texts, numbers, lists and mappings of these."""
    wanted = "what a host says of the sites of others"
    if (
        not isinstance(value, Mapping)
        or not set(value) <= set(FOREIGN_KEYS)
        or len(value) not in {0, len(FOREIGN_KEYS)}
    ):
        return wanted
    waiting: list[tuple[Any, int]] = [(value, 0)]
    seen = 0
    while waiting:
        found, depth = waiting.pop()
        seen += 1
        if seen > MOST_FOREIGN_VALUES or depth > _DEEPEST_FOREIGN:
            return f"{wanted}, of at most {MOST_FOREIGN_VALUES} values"
        if isinstance(found, Mapping):
            if not all(isinstance(key, str) and _FOREIGN_KEY.fullmatch(key) for key in found):
                return wanted
            waiting += [(each, depth + 1) for each in found.values()]
        elif isinstance(found, list):
            waiting += [(each, depth + 1) for each in found]
        elif isinstance(found, str):
            if len(found) > LONGEST_PATH or not _FOREIGN_TEXT.fullmatch(found):
                return wanted
        elif not isinstance(found, int) or abs(found) > 1 << 31:
            return wanted
    return ""


_INTERPRETER: dict[str, Check] = {
    "executable": _path,
    "version": _text(_PYTHON, 'a version of Python such as "3.11"'),
    "full_version": _text(_FULL_PYTHON, 'a version of Python such as "3.11.2"'),
    "prefix": _path,
    "libpython": _path,
    "extension_suffix": _text(_SUFFIX, "the ending of an extension module's file name", 100),
    "from_distribution": _boolean,
}
_PASSING: dict[str, Check] = {"headers": _boolean, "installed": _boolean}
_INSTALLATION: dict[str, Check] = {
    "version": _text(_VERSION, 'a version of mod_wsgi such as "6.1.1"'),
    "install_method": _among(INSTALL_METHODS),
    "module": _path,
    "express": _path_or_nothing,
    "httpd_api": _whole(*HTTPD_APIS),
    "key": _text(re.compile(r"[A-Za-z0-9][\w.-]*"), "the name of a folder"),
    **dict.fromkeys(COMPANIONS, _boolean),
    "wheel_sha256": _text(SHA256, "64 hexadecimal digits"),
}
_DESCRIPTION: dict[str, Check] = {
    "architecture": _among(ARCHITECTURES),
    "service_manager": _among(SERVICE_MANAGERS),
    "control_groups": _boolean,
    "apparmor": _boolean,
    "apparmor_ready": _boolean,
    "cores": _whole(1, MOST_CORES),
    "memory_mebibytes": _whole(1, MOST_MEMORY_MEBIBYTES),
    "php": _text(re.compile(rf"(?:{NEEDING_PREFORK.pattern})?"), "a module that needs mpm_prefork, or nothing"),
    "foreign": _foreign,
    "blue_green": _names,
}


def shown(value: Any) -> str:
    """A value in a sentence: of bounded length, without characters that a terminal would act on."""
    text = ascii(value)
    return text if len(text) <= _LONGEST_SHOWN else f"{text[:_LONGEST_SHOWN]}..."


def refused(host: str, key: str, value: Any, wanted: str, advice: str = "") -> AnswerError:
    """The sentence about an answer that is not used."""
    advice = advice or "find out whether somebody has taken that host over before you deploy to it"
    return AnswerError(f"Host {host} answers {shown(value)} as {key}, which is not {wanted}; {advice}.")


def _part(answer: Any, checks: Mapping[str, Check], host: str, within: str = "", advice: str = "") -> dict[str, Any]:
    """The known keys of an answer, each checked. ``within`` names the answer in sentences, with a full stop."""
    if not isinstance(answer, Mapping):
        raise refused(host, within.rstrip(".") or "its description", answer, "a mapping", advice)
    for key, check in checks.items():
        value = answer.get(key)
        wanted = check(value)
        if wanted:
            raise refused(host, within + key, value, wanted, advice)
    # Plain values: a class of Ansible's own that marks what a host has said is of no use here.
    return {key: _plain(answer[key]) for key in checks}


def _plain(value: Any) -> Any:
    if isinstance(value, list):
        return [_plain(item) for item in value]
    if isinstance(value, Mapping):
        return {str(key): _plain(item) for key, item in value.items()}
    if isinstance(value, bool):
        return value
    return int(value) if isinstance(value, int) else str(value)


def _of_interpreter(answer: Any, host: str, within: str, further: Mapping[str, Check], advice: str) -> dict[str, Any]:
    interpreter = _part(answer, {**_INTERPRETER, **further}, host, within, advice)
    version, full = interpreter["version"], interpreter["full_version"]
    abi = "cp" + version.replace(".", "")
    if answer.get("abi") != abi:
        raise refused(host, f"{within}abi", answer.get("abi"), f"{abi}, as of Python {version}", advice)
    if full != version and not full.startswith(f"{version}."):
        raise refused(host, f"{within}full_version", full, f"one of Python {version}", advice)
    return {**interpreter, "abi": abi}


def _of_installation(answer: Any, host: str) -> dict[str, Any]:
    """The record of an installation, {} when there is none."""
    if answer == {}:
        return {}
    advice = "remove the folder of that installation below /opt/mod_wsgi, then run again"
    # The first records did not name the companions.
    whole = {**dict.fromkeys(COMPANIONS, False), **answer} if isinstance(answer, Mapping) else answer
    checked = _part(whole, _INSTALLATION, host, "installation.", advice)
    interpreter = _of_interpreter(whole.get("interpreter"), host, "installation.interpreter.", {}, advice)
    return {**checked, "interpreter": interpreter}


def interpreter_answer(answer: Any, host: str) -> dict[str, Any]:
    """The checked answer of the module ``mod_wsgi_interpreter``, as its RETURN describes it; nothing else is in it.

    Raises AnswerError.
    """
    checks: dict[str, Check] = {
        "distribution": _among(tuple(DISTRIBUTIONS)),
        "architecture": _among(ARCHITECTURES),
        "httpd_api": _whole(*HTTPD_APIS),
        "build_tools_recorded": _boolean,
    }
    checked = _part(answer, checks, host)
    interpreter = _of_interpreter(answer.get("interpreter"), host, "interpreter.", _PASSING, "")
    version = interpreter["version"]
    packages = {"missing_packages": _packages([*runtime_packages(version), MODULE_PACKAGE])}
    if interpreter["from_distribution"]:
        distribution = DISTRIBUTIONS[checked["distribution"]]
        own = f"/usr/bin/python{distribution.python}"
        if (interpreter["prefix"], version, interpreter["executable"]) != ("/usr", distribution.python, own):
            found = f"{interpreter['executable']} ({version}, {interpreter['prefix']})"
            raise refused(host, "interpreter", found, f"{distribution.title}'s own Python, {own}")
    return {
        **checked,
        **_part(answer, packages, host),
        "interpreter": interpreter,
        "installation": _of_installation(answer.get("installation"), host),
    }


def host_description(answer: Any, host: str) -> dict[str, Any]:
    """The checked description of a host that the module ``httpd_preflight`` returned: the fact ``httpd_host``.

    Raises AnswerError.
    """
    checked = _part(answer, _DESCRIPTION, host, "host.")
    entries = {entry.codename: entry for entry in DISTRIBUTIONS.values()}
    codename = _part(answer, {"codename": _among(tuple(entries))}, host, "host.")["codename"]
    entry = entries[codename]
    known = {"distribution": entry.family, "release": entry.release, "python_version": entry.python}
    _part(answer, {key: _among((value,)) for key, value in known.items()}, host, "host.")
    return {**known, "codename": codename, **checked}


def preflight_answer(answer: Any, packages: Collection[str], host: str) -> dict[str, Any]:
    """The checked answer of the module ``httpd_preflight`` that was asked for ``packages``. Raises AnswerError."""
    if not isinstance(answer, Mapping):
        raise refused(host, "its description", answer, "a mapping")
    missing = _part(answer, {"missing_packages": _packages(packages)}, host)
    described = _of_certificates(answer.get("certificates", {}), host)
    host_and_module = {"host": host_description(answer.get("host"), host), **_inspection(answer.get("mod_wsgi"), host)}
    return {**host_and_module, **missing, "certificates": described}


def _of_certificates(answer: Any, host: str) -> dict[str, Any]:
    """What the vhosts have to know of the certificates that a host has, by the name of the application."""
    if not isinstance(answer, Mapping) or not all(isinstance(name, str) and _NAME.fullmatch(name) for name in answer):
        raise refused(host, "certificates", answer, "a mapping of names")
    checks: dict[str, Check] = {"fingerprint": _text(SHA256, "64 hexadecimal digits"), "stapling": _boolean}
    return {str(name): _part(each, checks, host, f"certificates.{name}.") for name, each in answer.items()}


def _inspection(told: Any, host: str) -> dict[str, Any]:
    if told is None:
        return {}
    if not isinstance(told, Mapping):
        raise refused(host, "mod_wsgi", told, "a mapping")
    problem = _part(told, {"problem": _sentence}, host, "mod_wsgi.") if "problem" in told else {}
    return {"mod_wsgi": problem or {"answer": interpreter_answer(told.get("answer"), host)}}


INSPECTED = ("releases", "venvs", "certificates")
"""What `wsgi_inspect` tells of each application."""


def inspection_answer(answer: Any, steps: Collection[str], names: Collection[str], host: str) -> dict[str, Any]:
    """The checked answer of the module ``wsgi_inspect``; nothing else is in it. Raises AnswerError.

    What it tells of an application goes to modules on the same host alone.
    """
    checks: dict[str, Check] = {"git": _boolean, "due": _entries({"step": steps, "name": ("", *names)}, "what")}
    checked = _part(answer, checks, host)
    due = names_among(answer.get("steps"), steps, "steps", host)
    for key in INSPECTED:
        if not isinstance(answer.get(key), Mapping):
            raise refused(host, key, answer.get(key), "a mapping")
        names_among(list(answer[key]), names, key, host)
    once = digests(answer.get("once", {}), names, host)
    proven = {} if due else _proven(answer.get("proven"), names, host)
    return {**checked, "steps": due, "once": once, **{key: dict(answer[key]) for key in INSPECTED}, **proven}


def _proven(told: Any, names: Collection[str], host: str) -> dict[str, Any]:
    """What a run without a change ends with; nothing where the host has not proven it."""
    if told is None:
        return {}
    sentences = _part(told, {"awaited_certificates": _sentences(len(names))}, host, "proven.")
    if not isinstance(told.get("applications"), Mapping):
        raise refused(host, "proven.applications", told.get("applications"), "a mapping")
    names_among(list(told["applications"]), names, "proven.applications", host)
    return {"proven": {"applications": dict(told["applications"]), **sentences}}


def digests(value: Any, names: Collection[str], host: str) -> dict[str, str]:
    """What commands that run once have prepared, or are to, by application; "" for nothing. Raises AnswerError."""
    if not isinstance(value, Mapping):
        raise refused(host, "once", value, "a mapping")
    names_among(list(value), names, "once", host)
    for each in value.values():
        if each != "" and not (isinstance(each, str) and SHA256.fullmatch(each)):
            raise refused(host, "once", each, "64 hexadecimal digits")
    return {str(name): str(digest) for name, digest in value.items()}


_VENV = re.compile(r"[0-9a-f]{20}")


def venv_names(value: Any, names: Collection[str], host: str) -> dict[str, str]:
    """The names of virtual environments that a host wants, by application. Raises AnswerError."""
    if not isinstance(value, Mapping):
        raise refused(host, "virtual environments", value, "a mapping")
    names_among(list(value), names, "virtual environments", host)
    for each in value.values():
        if not (isinstance(each, str) and _VENV.fullmatch(each)):
            raise refused(host, "the name of a virtual environment", each, "20 hexadecimal digits")
    return {str(name): str(identity) for name, identity in value.items()}


SUBJECT = re.compile(r"[a-z_]{1,40}")


def verification_answer(answer: Any, names: Collection[str], host: str) -> dict[str, Any]:
    """The checked answer of the module ``wsgi_verify``; nothing else is in it. Raises AnswerError."""
    subjects: dict[str, Any] = {"subject": SUBJECT, "application": ("", *names)}
    check = _entries(subjects, "text")
    report = answer.get("report") if isinstance(answer, Mapping) else answer
    return _part(report, {"findings": check, "verified": check}, host, "report.")


def evidence_answer(answer: Any, statuses: Collection[str], number: int, host: str) -> dict[str, Any]:
    """The checked answer of the module ``wsgi_benchmarks`` to so many items. Raises AnswerError."""
    checks = {"judgements": _entries({"status": statuses}, "fact"), "in_force": _boolean}
    checked = _part(answer, checks, host)
    if len(checked["judgements"]) != number:
        raise refused(host, "judgements", len(checked["judgements"]), f"{number} judgements")
    return checked


_SURVEYED: dict[str, Collection[str] | re.Pattern[str]] = {
    "application": re.compile(r"[a-z][a-z0-9_-]{0,24}"),
    "release": re.compile(r"[0-9A-Za-z._-]{0,255}"),
    "source": re.compile(r"[^\x00-\x1f\x7f{}]{0,400}"),
    "since": re.compile(r"[0-9TZ:-]{0,20}"),
    "by": re.compile(r"[^\x00-\x1f\x7f{}]{0,400}"),
}


def releases_answer(answer: Any, host: str) -> list[dict[str, str]]:
    """The checked answer of the module ``wsgi_releases``; nothing else is in it. Raises AnswerError."""
    found: list[dict[str, str]] = _part(answer, {"releases": _entries(_SURVEYED, "health")}, host)["releases"]
    return found


def names_among(value: Any, names: Collection[str], key: str, host: str) -> list[str]:
    """Names in an answer, each of which has to be one that the host was told. Raises AnswerError."""
    if not isinstance(value, list) or not all(isinstance(name, str) and name in names for name in value):
        raise refused(host, key, value, f"a list of names among {', '.join(sorted(names))}")
    return [str(name) for name in value]


def built_wheel(answer: Any, name: str, host: str) -> str:
    """The SHA-256 that a host tells of the wheel that it has built; the wheel has to have the planned file name.

    Raises AnswerError.
    """
    told = _part(answer, {"wheel": _path, "wheel_sha256": _text(SHA256, "64 hexadecimal digits")}, host)
    if os.path.basename(told["wheel"]) != name:
        raise refused(host, "wheel", told["wheel"], f"the planned {name}")
    return str(told["wheel_sha256"])
