# SPDX-License-Identifier: Apache-2.0
"""Sites of others: what httpd serves on a host beyond what this collection has put there.

A host is shared when its configuration serves something that is neither ours nor the distribution's untouched default
site. Nothing is taken away there, and what cannot go together is refused by file, line and directive.
"""

from __future__ import annotations

import hashlib
import json
import os
import re
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

from ansible_collections.modwsgi.deploy.plugins.module_utils.httpd.listeners import (
    ANY,
    LOOPBACK,
    Listener,
    ListenerError,
    parse,
)
from ansible_collections.modwsgi.deploy.plugins.module_utils.httpd.reading import Directive, dump, listeners, parsed

KEEP, IGNORE = "keep", "ignore"

NEEDING_PREFORK = re.compile(r"php\d{1,3}(?:\.\d{1,3})?|mpm_itk")
"""The names of Debian's modules that httpd loads only with mpm_prefork: those of PHP, and one that is no MPM itself."""
MPMS = ("mpm_event", "mpm_prefork", "mpm_worker")

MODULE_BYTES = 64 * 1024 * 1024
"""The most that is read of a module to find the Python that it embeds."""
CONFIGURATION_BYTES = 1024 * 1024
"""The most that is read of a file of httpd's configuration."""
PATHS_OF_A_VHOST = 8

DPKG_STATUS = "/var/lib/dpkg/status"
"""What dpkg knows of packages; read at each run, which must not cost a process."""

DOCUMENT_ROOT = "/var/www/html"
DEFAULT_PAGE = "/usr/share/apache2/default-site/index.html"

# With one of these, a file serves something; without, it only changes how.
SERVING = frozenset(
    (
        "<virtualhost", "action", "alias", "aliasmatch", "documentroot", "proxypass", "proxypassmatch", "redirect",
        "redirectmatch", "redirectpermanent", "redirecttemp", "rewriterule", "scriptalias", "scriptaliasmatch",
        "sethandler", "userdir", "virtualdocumentroot", "virtualscriptalias", "wsgihandlerscript", "wsgiscriptalias",
        "wsgiscriptaliasmatch",
    )
)  # fmt: skip
PUBLISHING = frozenset(("alias", "proxypass", "scriptalias", "wsgiscriptalias"))
RUNNING_WSGI = frozenset(
    ("wsgidaemonprocess", "wsgihandlerscript", "wsgiimportscript", "wsgiscriptalias", "wsgiscriptaliasmatch")
)
ACME = frozenset(("<mdomain", "<mdomainset", "managedomain", "mdcertificateauthority", "mdomain", "mdstoredir"))

_LOADED = re.compile(r"^[ \t]*LoadModule[ \t]+wsgi_module[ \t]+\"?(?P<path>[^\"\s]+)", re.IGNORECASE | re.MULTILINE)
_LIBPYTHON = re.compile(rb"libpython(?P<version>3\.[0-9]{1,2})")


def _read(path: str | Path) -> bytes:
    with Path(path).open("rb") as file:
        return file.read(CONFIGURATION_BYTES)


# Whose a file is.


def ours(instance: Mapping[str, str]) -> dict[str, str]:
    """The paths that the manifests name, with the names of the originals that are kept of them."""
    found: dict[str, str] = {}
    for file in Path(instance["state_directory"], "manifests").glob("*.json"):
        try:
            entries = json.loads(file.read_text(encoding="utf-8"))["files"]
            found.update({path: entry.get("original", "") for path, entry in entries.items()})
        except (ValueError, KeyError, TypeError, AttributeError, OSError):  # the transaction tells of a damaged one
            continue
    return found


def conffiles(*packages: str) -> dict[str, str]:
    """MD5 by path of the configuration files that these packages bring, all packages when none is named."""
    try:
        status = b"\n\n" + Path(DPKG_STATUS).read_bytes()
    except OSError:
        return {}
    stanzas = status.split(b"\n\n") if not packages else [_stanza(status, package) for package in packages]
    found = {}
    for stanza in stanzas:
        for line in stanza.partition(b"\nConffiles:\n")[2].decode(errors="replace").splitlines():
            words = line.split()
            if not line.startswith(" ") or len(words) < 2:
                break
            found[words[0]] = words[1]
    return found


def _stanza(status: bytes, package: str) -> bytes:
    """What dpkg knows of one package."""
    return b"\n" + status.partition(f"\n\nPackage: {package}\n".encode())[2].partition(b"\n\n")[0]


def untouched(path: str, known: Mapping[str, str], root: str) -> bool:
    """Whether a file of the server root is as its package has brought it. A link is looked at where it leads."""
    real = os.path.realpath(path)
    if real.startswith(os.path.realpath(root) + "/"):  # as the package names it, wherever the server root is
        real = "/etc/apache2" + real[len(os.path.realpath(root)) :]
    if real not in known:
        return False
    try:
        return hashlib.md5(_read(path), usedforsecurity=False).hexdigest() == known[real]
    except OSError:
        return False


def serves_the_default_page() -> bool:
    """Whether the folder of the distribution's default site holds nothing but the distribution's page."""
    try:
        names = os.listdir(DOCUMENT_ROOT)
        if not names:
            return True
        page = Path(DOCUMENT_ROOT, "index.html")
        regular = not page.is_symlink() and page.is_file() and page.stat().st_size == Path(DEFAULT_PAGE).stat().st_size
        return names == ["index.html"] and regular and page.read_bytes() == Path(DEFAULT_PAGE).read_bytes()
    except OSError:
        return not os.path.isdir(DOCUMENT_ROOT)


def candidates(instance: Mapping[str, str], replaced: Iterable[str] = ()) -> list[str]:
    """Enabled files that may serve something of others, which httpd itself then has to tell.

    ``replaced``: paths relative to the server root that the operator wants to be gone.
    """
    root, mine = instance["server_root"], ours(instance)
    gone = {os.path.join(root, path) for path in replaced}
    known = conffiles("apache2")
    enabled = [os.path.join(root, name) for name in ("apache2.conf", "ports.conf")]
    for folder in ("mods-enabled", "conf-enabled", "sites-enabled"):
        enabled += sorted(str(path) for path in Path(root, folder).glob("*.conf"))
    found = []
    for path in enabled:
        if path in mine or path in gone or not os.path.exists(path):
            continue
        default = untouched(path, known, root)
        if not default or ("/sites-enabled/" in path and not serves_the_default_page()):
            found.append(path)
    of_modules = [path for path in found if "/mods-enabled/" in path]
    if of_modules:  # those of other packages, as they came, only say how a module does its work
        every = conffiles()
        found = [path for path in found if path not in of_modules or not untouched(path, every, root)]
    return found


# What it is.


def find(instance: Mapping[str, str], replaced: Iterable[str] = ()) -> dict[str, Any]:
    """What is to be known of the sites of others; empty on a host of our own.

    Reads only. The keys:

    - ``sites``: what serves, one entry for a vhost or file, by ``file``, ``line`` and ``name`` (the directive);
    - ``vhosts``: what can be asked; see :func:`vhosts`;
    - ``files``: those whose directives have to stay;
    - ``listen``, ``listen_with_ssl``: where their configuration listens;
    - ``wsgi``: the first directive that runs Python, ``python``: see :func:`loaded_python`;
    - ``acme``: the first directive of mod_md; ``mpm``: the module that is enabled;
    - ``served_by_main``: what the main server serves on a port without a vhost.
    """
    replaced = list(replaced)
    if not instance["unit"] or not Path(instance["server_root"]).is_dir():
        return {}
    suspects = candidates(instance, replaced)
    if not suspects:
        return {}
    gone = {os.path.join(instance["server_root"], path) for path in replaced}
    mine = ours(instance)
    everything = list(parsed(dump(instance)))
    defaults = _default_files(everything, suspects, mine)
    theirs = [each for each in everything if each.file not in mine and each.file not in gone]
    serving = [each for each in theirs if each.name in SERVING and each.file not in defaults]
    sites = _sites(serving) if everything else [site for path in suspects for site in _sites_by_text(path)]
    if not sites:
        return {}
    return {
        "sites": sites,
        "vhosts": vhosts(everything, {each.file for each in theirs}),
        "files": sorted({each.file for each in theirs}),
        "listen": _listen(theirs, instance, mine),
        "listen_with_ssl": _listen_with_ssl(instance, mine),
        "wsgi": _first(each for each in theirs if _runs_wsgi(each)),
        "python": loaded_python(instance, {each.file for each in theirs}),
        "acme": _first(each for each in theirs if each.name in ACME),
        "mpm": next(
            (name for name in MPMS if Path(instance["server_root"], "mods-enabled", f"{name}.load").exists()), ""
        ),
        "served_by_main": _served_by_main(everything, serving),
    }


def enabled_php(instance: Mapping[str, str]) -> str:
    """The module of PHP, or another that needs mpm_prefork, that is enabled; by its name in mods-enabled."""
    if not instance["unit"]:
        return ""
    found = sorted(Path(instance["server_root"], "mods-enabled").glob("*.load"), reverse=True)
    return next((path.stem for path in found if NEEDING_PREFORK.fullmatch(path.stem)), "")


def _default_files(everything: list[Directive], suspects: list[str], mine: Mapping[str, str]) -> set[str]:
    """Enabled files that are as the distribution has brought them: not suspects, but in its three folders."""
    folders = ("/mods-enabled/", "/conf-enabled/", "/sites-enabled/")
    enabled = {each.file for each in everything if any(folder in each.file for folder in folders)}
    return {file for file in enabled if file not in suspects and file not in mine}


def _runs_wsgi(directive: Directive) -> bool:
    by_handler = directive.name in ("sethandler", "addhandler") and "wsgi-script" in directive.arguments[:1]
    return directive.name in RUNNING_WSGI or by_handler


def _first(found: Iterable[Directive]) -> dict[str, Any]:
    return next(({"file": each.file, "line": each.line, "directive": each.name} for each in found), {})


def _sites(serving: list[Directive]) -> list[dict[str, Any]]:
    """One entry for each vhost, and for each file that serves outside of one."""
    found: dict[tuple[str, int], dict[str, Any]] = {}
    for each in serving:
        found.setdefault((each.file, each.vhost), {"file": each.file, "line": each.line, "name": each.name.lstrip("<")})
    return list(found.values())


def _sites_by_text(path: str) -> list[dict[str, Any]]:
    """The same for a file of a configuration that httpd does not accept."""
    try:
        lines = _read(path).decode(errors="replace").splitlines()
    except OSError:
        return []
    names = ((number, line.strip().lower().partition(" ")[0]) for number, line in enumerate(lines, 1))
    return [{"file": path, "line": number, "name": name.lstrip("<")} for number, name in names if name in SERVING][:1]


def vhosts(everything: list[Directive], files: Iterable[str]) -> list[dict[str, Any]]:
    """The vhosts of these files as they can be asked, in httpd's order, one for each address and port.

    ``first``: whether it answers a name that no vhost has.
    """
    files, found, seen = set(files), [], set()
    listening = [listener for _, listener in listeners(everything)]
    for number in sorted({each.vhost for each in everything} - {0}):
        inside = [each for each in everything if each.vhost == number]
        opening = inside[0]
        secure = any(each.name == "sslengine" and each.arguments[:1] in (("on",), ("On",)) for each in inside)
        name = next((each.arguments[0] for each in inside if each.name == "servername" and each.arguments), "")
        for address, port in _addresses(opening.arguments, listening):
            first = (address, port) not in seen
            seen.add((address, port))
            if opening.file in files:
                found.append(
                    {
                        "address": _to_ask(address, port, listening),
                        "vhost": f"{address}:{port}",
                        "port": port,
                        "tls": secure,
                        "name": name.rpartition("//")[2].partition(":")[0],
                        "paths": _paths(inside),
                        "first": first,
                        "file": opening.file,
                        "line": opening.line,
                    }
                )
    return found


def _addresses(arguments: Iterable[str], listening: list[Listener]) -> Iterator[tuple[str, int]]:
    for argument in arguments:
        address, _, port = argument.rpartition(":") if not argument.endswith("]") else (argument, "", "*")
        if not address:
            address, port = argument, "*"
        address = ANY if address in ("*", "_default_", "[::]", "0.0.0.0") else address.strip("[]")  # noqa: S104
        for each in [int(port)] if port.isdigit() else [one.port for one in listening if one.address != LOOPBACK]:
            yield address, int(each)


def _to_ask(address: str, port: int, listening: list[Listener]) -> str:
    if address != ANY:
        return address
    here = [one.address for one in listening if one.port == port]
    return LOOPBACK if not here or ANY in here or LOOPBACK in here else here[0]


def _paths(inside: list[Directive]) -> list[str]:
    published = [each.arguments[0] for each in inside if each.name in PUBLISHING and each.arguments]
    return list(dict.fromkeys(["/", *(path for path in published if re.fullmatch(r"/[!-~]*", path))]))[
        :PATHS_OF_A_VHOST
    ]


def _listen(theirs: list[Directive], instance: Mapping[str, str], mine: Mapping[str, str]) -> list[dict[str, Any]]:
    """Where their configuration listens once ports.conf is theirs (again)."""
    found = [{"directive": one.directive, "file": each.file, "line": each.line} for each, one in listeners(theirs)]
    ports = os.path.join(instance["server_root"], "ports.conf")
    if ports in mine:
        with_ssl = Path(instance["server_root"], "mods-enabled", "ssl.load").exists()
        for line, text, secure in _lines_of_ports(instance, mine):
            if with_ssl or not secure:
                found.append({"directive": text, "file": ports, "line": line})
    return found


def _listen_with_ssl(instance: Mapping[str, str], mine: Mapping[str, str]) -> list[str]:
    """Where ports.conf listens only when mod_ssl is loaded."""
    return [text for _, text, secure in _lines_of_ports(instance, mine) if secure]


def _lines_of_ports(instance: Mapping[str, str], mine: Mapping[str, str]) -> Iterator[tuple[int, str, bool]]:
    """Line, address and whether it needs mod_ssl, of the ports.conf that is not ours."""
    path = Path(instance["server_root"], "ports.conf")
    if str(path) in mine:
        path = Path(instance["state_directory"], "originals", mine[str(path)] or "none")
    try:
        lines = _read(path).decode(errors="replace").splitlines()
    except OSError:
        return
    conditions: list[str] = []
    for number, text in enumerate(lines, 1):
        words = text.strip().lower().split()
        if not words:
            continue
        if words[0].startswith("<if"):
            conditions.append(" ".join(words[1:]).rstrip(">"))
        elif words[0].startswith("</if"):
            conditions = conditions[:-1]
        elif words[0] == "listen" and len(words) > 1 and not any("gnutls" in condition for condition in conditions):
            yield number, words[1], any("ssl" in condition for condition in conditions)


def loaded_python(instance: Mapping[str, str], files: Iterable[str]) -> dict[str, str]:
    """The Python of the mod_wsgi that httpd loads (``version``), and the ``file`` that loads it; empty without one."""
    root = instance["server_root"]
    loading = sorted(str(path) for path in Path(root, "mods-enabled").glob("*.load"))
    for file in [*loading, *sorted(files)]:
        try:
            found = _LOADED.search(_read(file).decode(errors="replace"))
            if not found:
                continue
            with Path(root, found["path"]).open("rb") as module:
                python = _LIBPYTHON.search(module.read(MODULE_BYTES))
        except OSError:
            continue
        return {"version": python["version"].decode() if python else "", "file": file}
    return {}


def _served_by_main(everything: list[Directive], serving: list[Directive]) -> list[dict[str, Any]]:
    """What the main server serves on a port that has no vhost: the first one there would take its place."""
    outside = _first(each for each in serving if not each.vhost)
    if not outside:
        return []
    listening = [one for _, one in listeners(everything)]
    opened = [each for each in everything if each.name == "<virtualhost"]
    taken = {port for each in opened for _, port in _addresses(each.arguments, listening)}
    return [{**outside, "port": int(one.port)} for one in listening if one.port not in taken]


# What follows for a deployment.


def uncovered(
    wanted: Iterable[Mapping[str, Any]], foreign: Mapping[str, Any], modules: Iterable[str]
) -> list[dict[str, Any]]:
    """Of our listeners, those that the configuration of others does not have. ``modules``: those that are enabled."""
    theirs = [Listener(each.address, each.port) for each in listening(foreign, "ssl" in modules)]
    return [dict(each) for each in wanted if not any(_covers(one, each) for one in theirs)]


def listening(foreign: Mapping[str, Any], with_ssl: bool) -> Iterator[Listener]:
    """Where the configuration of others listens, with mod_ssl or without."""
    listed = [each["directive"] for each in foreign.get("listen", [])]
    if with_ssl:
        listed += foreign.get("listen_with_ssl", [])
    for text in listed:
        try:
            yield parse(text, "Listen")
        except ListenerError:
            continue


def _covers(theirs: Listener, mine: Mapping[str, Any]) -> bool:
    return theirs.port == mine["port"] and theirs.address in (ANY, mine["address"])


def server_problems(
    foreign: Mapping[str, Any], host: str, wanted: Iterable[Mapping[str, Any]], modules: Iterable[str]
) -> list[str]:
    """What of the server's settings cannot go together with the sites of others, in sentences.

    ``wanted``: our listeners, the private one last; ``modules``: those that are to be enabled.
    """
    if not foreign:
        return []
    wanted, modules = list(wanted), list(modules)
    problems = []
    mpm = foreign["mpm"]
    if mpm and mpm not in modules:
        chosen = ", ".join(module for module in modules if module.startswith("mpm_")) or "none"
        problems.append(
            f"httpd of host {host} serves sites of others ({_named(foreign)}) with {mpm}, and httpd_modules has "
            f"{chosen}; httpd loads one of them, so move those sites to {chosen} (a2dismod {mpm}), or use another host."
        )
    for mine in wanted:
        for theirs in foreign["listen"]:
            try:
                other = parse(theirs["directive"], "Listen")
            except ListenerError:
                continue
            listener = Listener(mine["address"], mine["port"])
            if listener.overlaps(other) and not _covers(other, mine):
                problems.append(
                    f"httpd_listen of host {host} has {mine['directive']}, and {theirs['file']}, line "
                    f"{theirs['line']}, has Listen {other.directive}, which cannot both be bound; "
                    f"write {other.directive} in httpd_listen, or Listen without an address there."
                )
    ports = [mine["port"] for mine in wanted[:-1]]
    problems += [
        f"{served['file']}, line {served['line']} ({served['directive']}), of host {host} is served by httpd's "
        f"main server on port {served['port']}, which answers nothing there once a vhost does; put it into a "
        f"<VirtualHost *:{served['port']}> of its own, or leave that port out of httpd_listen."
        for served in foreign["served_by_main"]
        if served["port"] in ports
    ]
    return problems


def _named(foreign: Mapping[str, Any]) -> str:
    return ", ".join(dict.fromkeys(site["file"] for site in foreign["sites"]))


def python_problem(foreign: Mapping[str, Any], host: str, python: str) -> str:
    """Why the Python that is asked for cannot serve the WSGI sites of others, in one sentence; else empty."""
    if not foreign or not foreign["wsgi"]:
        return ""
    site, loaded = foreign["wsgi"], foreign["python"]
    if not loaded.get("version") or loaded["version"] == python:
        return ""
    return (
        f"{site['file']}, line {site['line']} ({site['directive']}), of host {host} is a site of others that runs on "
        f"Python {loaded['version']} ({loaded['file']} loads its mod_wsgi), and mod_wsgi_python asks for {python}; "
        f'one httpd loads one mod_wsgi, so set mod_wsgi_python: "{loaded["version"]}", disable that site, '
        "or use another host."
    )


def _ports(application: Mapping[str, Any]) -> set[int]:
    """Where an application answers, plain and over TLS."""
    tls = application.get("tls")
    secure = {int(tls.get("port", 443))} if isinstance(tls, Mapping) else set()
    return secure | {int(application.get("port", 80))}


def application_problems(foreign: Mapping[str, Any], applications: Iterable[Mapping[str, Any]]) -> list[str]:
    """What of ``wsgi_apps`` cannot go together with the sites of others, in sentences."""
    if not foreign:
        return []
    problems = []
    for application in applications:
        name = application.get("name")
        ports = _ports(application)
        vhost = next((vhost for vhost in foreign["vhosts"] if vhost["first"] and vhost["port"] in ports), None)
        if application.get("default_vhost") and vhost:
            problems.append(
                f"wsgi_apps: application '{name}', key default_vhost: on port {vhost['port']}, names that no site has "
                f"are answered by {vhost['file']}, line {vhost['line']}, of others; "
                "remove the key, or disable that site."
            )
        if (application.get("tls") or {}).get("acme") and foreign["acme"]:
            acme = foreign["acme"]
            problems.append(
                f"wsgi_apps: application '{name}', key tls.acme: {acme['file']}, line {acme['line']} "
                f"({acme['directive']}), of others gets certificates by mod_md, which keeps them in one place for the "
                "whole server; give this application a certificate (tls.certificate), or remove their directives."
            )
    return problems


def changed_reading(live: str, staged: str, files: Iterable[str]) -> str:
    """What httpd would no longer understand of these files as it does now, in one sentence; empty when all is the same.

    ``live`` and ``staged`` are its prints of the configuration now and with the change.
    """
    before, after = list(parsed(live)), list(parsed(staged))
    files = set(files)
    for file in sorted(files):
        left = [each for each in after if each.file == file]
        known = {(each.line, each.name, each.arguments) for each in left}
        for each in before:
            if each.file == file and (each.line, each.name, each.arguments) not in known:
                return (
                    f"{each.place} ({each.name}) belongs to others and would not be read any more, since the change "
                    "takes away a module or file that it needs; name the module in httpd_extra_modules, or disable "
                    "what it is for."
                )
    live_vhosts, staged_vhosts = (vhosts(each, {one.file for one in each}) for each in (before, after))
    return _overtaken(live_vhosts, staged_vhosts, files)


def _overtaken(before: list[dict[str, Any]], after: list[dict[str, Any]], files: set[str]) -> str:
    """Which vhost would answer in the place of one in these files, in one sentence; empty when none would."""
    firsts = {vhost["vhost"]: vhost for vhost in after if vhost["first"]}
    known = {vhost["vhost"] for vhost in before}
    for vhost in (vhost for vhost in before if vhost["first"] and vhost["file"] in files):
        where = vhost["vhost"]
        other = firsts.get(where)
        if other and (other["file"], other["line"]) != (vhost["file"], vhost["line"]):
            return (
                f"{vhost['file']}, line {vhost['line']}, of others answers on {where} for names that no site has, and "
                f"{other['file']} would take its place; let httpd read that site first, from a file in sites-enabled "
                "whose name comes first there."
            )
        # httpd asks the vhosts of an address before those of all addresses.
        beside = [one for one in after if where.startswith(f"{ANY}:") and one["port"] == vhost["port"]]
        closer = [one for one in beside if one["vhost"] not in known]
        if closer:
            return (
                f"{closer[0]['file']} would answer all requests to {closer[0]['vhost']}, which {vhost['file']}, line "
                f"{vhost['line']}, of others answers on {where}; leave the address out of ours, or give that site "
                "one of its own."
            )
    return ""
