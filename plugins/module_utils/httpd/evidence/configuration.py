# SPDX-License-Identifier: Apache-2.0
"""Items that the configuration decides: modules, directives, sections, listeners."""

from __future__ import annotations

import re
from collections.abc import Mapping

from ansible_collections.modwsgi.deploy.plugins.module_utils.httpd.effective import Effective, Server
from ansible_collections.modwsgi.deploy.plugins.module_utils.httpd.evidence.model import (
    MET,
    NOT_APPLICABLE,
    NOT_MET,
    TO_JUDGE,
    Judgement,
    judged,
    no_tls,
    shown,
)
from ansible_collections.modwsgi.deploy.plugins.module_utils.httpd.listeners import ANY

UNIX_SHELLS = re.compile(r"\.(?:exe|dll|com|bat|csh|sh|ksh|bash)\b", re.IGNORECASE)
HARMLESS = ("type-map", "default-handler", "send-as-is", "none", "server-status", "wsgi-script")
"""Handlers that run no program that a file of the site names."""


def modules_absent(host: Effective, modules: list[str]) -> Judgement:
    """None of these modules is loaded; each may be the beginning of a name, with a ``*``."""
    found = sorted(
        name
        for name in host.modules
        for each in modules
        if name == each or (each.endswith("*") and name.startswith(each[:-1]))
    )
    return judged(not found, f"loaded: {shown(found)}")


def modules_present(host: Effective, modules: list[str]) -> Judgement:
    """All of these modules are loaded."""
    missing = sorted(set(modules) - host.modules)
    return judged(not missing, f"loaded: {shown(modules)}" if not missing else f"not loaded: {shown(missing)}")


def modules_listed(host: Effective) -> Judgement:
    """Somebody looks at the list of modules."""
    return Judgement(TO_JUDGE, f"{len(host.modules)} modules are loaded: {', '.join(sorted(host.modules))}")


def idle_proxies(host: Effective) -> Judgement:
    """Modules for proxies are loaded only where some site passes requests on."""
    loaded = sorted(name for name in host.modules if name == "proxy" or name.startswith("proxy_"))
    passing = host.everywhere("proxypass", "proxypassmatch", "<proxy")
    passing += [each for each in host.everywhere("rewriterule") if "P" in _flags(each.arguments)]
    passing += [each for each in host.everywhere("sethandler") if each.arguments[:1] and "proxy:" in each.arguments[0]]
    if loaded and passing:
        return Judgement(MET, f"loaded: {shown(loaded)}; in use by {passing[0].place}")
    return judged(not loaded, f"loaded: {shown(loaded)}" + ("; no directive passes requests on" if loaded else ""))


def _flags(arguments: tuple[str, ...]) -> list[str]:
    return arguments[2].strip("[]").split(",") if len(arguments) > 2 else []


def no_directives(host: Effective, directives: list[str]) -> Judgement:
    """None of these directives stands anywhere."""
    found = host.everywhere(*(name.lower() for name in directives))
    return judged(not found, shown(each.place for each in found) if found else f"no {', '.join(directives)} anywhere")


def some_directive(host: Effective, directives: list[str]) -> Judgement:
    """One of these directives stands somewhere."""
    found = host.everywhere(*(name.lower() for name in directives))
    return judged(bool(found), shown(each.place for each in found) if found else f"no {', '.join(directives)} anywhere")


def everywhere(host: Effective, directive: str, servers: list[Server] | None = None) -> dict[str, list[str]]:
    """The names of the servers for which each value of a directive holds."""
    found: dict[str, list[str]] = {}
    for server in host.servers() if servers is None else servers:
        found.setdefault(host.value(directive.lower(), server), []).append(server.name)
    return found


def told(directive: str, values: Mapping[str, list[str]]) -> str:
    """The same for people."""
    if len(values) == 1:
        return f"{directive} {next(iter(values))} everywhere"
    return "; ".join(f"{directive} {value} ({shown(names)})" for value, names in values.items())


def at_most(host: Effective, directive: str, limit: int) -> Judgement:
    """A number is set that is not above a limit, for the server and for each vhost; 0 would be none."""
    values = everywhere(host, directive)
    met = all(value.isdigit() and 0 < int(value) <= limit for value in values)
    return judged(met, f"{told(directive, values)}; at most {limit}")


def at_least(host: Effective, directive: str, limit: int) -> Judgement:
    """A number is not below a limit, for the server and for each vhost."""
    values = everywhere(host, directive)
    met = all(value.isdigit() and int(value) >= limit for value in values)
    return judged(met, f"{told(directive, values)}; at least {limit}")


def word(host: Effective, directive: str, among: list[str]) -> Judgement:
    """A directive has one of these values, for the server and for each vhost."""
    values = everywhere(host, directive)
    allowed = {each.lower() for each in among}
    return judged(all(value.lower() in allowed for value in values), told(directive, values))


def tls_word(host: Effective, directive: str, among: list[str]) -> Judgement:
    """The same for vhosts with TLS alone."""
    if not host.tls_servers():
        return no_tls()
    values = everywhere(host, directive, host.tls_servers())
    allowed = {each.lower() for each in among}
    return judged(all(value.lower() in allowed for value in values), told(directive, values))


def etag_without_inode(host: Effective) -> Judgement:
    """An ETag tells no number of an inode."""
    values = everywhere(host, "FileETag")
    words = {part.lower() for value in values for part in value.split()}
    return judged(not words & {"inode", "all", "+inode"}, told("FileETag", values))


def persistent_connections(host: Effective, limit: int) -> Judgement:
    """Connections are kept, and for a bounded number of requests that is not too small."""
    kept, requests = word(host, "KeepAlive", ["On"]), at_least(host, "MaxKeepAliveRequests", limit)
    return judged({kept.status, requests.status} == {MET}, f"{kept.fact}; {requests.fact}")


def read_timeout(host: Effective, part: str, limit: int, longest: bool) -> Judgement:
    """mod_reqtimeout gives a client so many seconds; ``longest``: the second number counts, where there is one."""
    if "reqtimeout" not in host.modules:
        return Judgement(NOT_MET, "mod_reqtimeout is not loaded")
    texts = [argument for each in host.everywhere("requestreadtimeout") for argument in each.arguments]
    found = [text for text in texts if text.lower().startswith(f"{part}=")]
    numbers = [re.match(r"\w+=([0-9]+)(?:-([0-9]+))?", text) for text in found]
    seconds = [int((each[2] if longest else "") or each[1]) for each in numbers if each]
    met = bool(seconds) and all(0 < each <= limit for each in seconds)
    return judged(met, f"RequestReadTimeout {shown(found)}; at most {limit} s")


def root_folder(host: Effective, directive: str, among: list[str]) -> Judgement:
    """What holds for the folder `/`, as long as no other section says more."""
    found = [each for each in host.section("<directory", "/") if each.name == directive.lower()]
    values = [" ".join(each.arguments) for each in found]
    met = bool(values) and values[-1].lower() in {each.lower() for each in among}
    return judged(met, f'in <Directory "/">: {directive} {shown(values)}')


def overrides(host: Effective) -> Judgement:
    """No file in a published folder changes what httpd does."""
    found = [each for each in host.everywhere("allowoverride") if [word.lower() for word in each.arguments] != ["none"]]
    found += [each for each in host.everywhere("allowoverridelist") if each.arguments != ("None",)]
    return judged(not found, shown(each.place for each in found) if found else "AllowOverride None everywhere")


def options_of_others(host: Effective, refused: list[str]) -> Judgement:
    """No folder but `/` has one of these options. The last section of a folder counts."""
    wanted = {each.lower() for each in refused}
    last = {each.sections[-1:]: each for each in host.everywhere("options")}
    found = [
        f"{' '.join(each.arguments)} ({each.sections[-1][-1] if each.sections else 'everywhere'}, {each.place})"
        for section, each in last.items()
        if {word.lower().lstrip("+") for word in each.arguments} & wanted and section != (("<directory", "/"),)
    ]
    return judged(not found, f"Options {shown(found)}" if found else f"no section has Options {', '.join(refused)}")


def listings(host: Effective) -> Judgement:
    """No folder is listed."""
    if "autoindex" not in host.modules:
        return Judgement(MET, "mod_autoindex is not loaded")
    return options_of_others(host, ["indexes", "all"])


def hidden_names(host: Effective, names: list[str]) -> Judgement:
    """Names like these are refused: by a section whose pattern takes them, and that denies."""
    patterns = [
        each.sections[-1][1]
        for each in host.everywhere("require")
        if each.sections and each.sections[-1][0] in {"<filesmatch", "<directorymatch"} and each.arguments[0] == "all"
        if each.arguments[-1] == "denied" and len(each.sections) == 1  # for all vhosts
    ]
    left = [name for name in names if not any(_takes(pattern, name) for pattern in patterns)]
    return judged(not left, f"refused by: {shown(patterns)}" if not left else f"nothing refuses {shown(left)}")


def _takes(pattern: str, name: str) -> bool:
    try:
        return any(re.search(pattern, text) for text in (name, f"/srv/{name}", f"/srv/{name}/"))
    except re.error:
        return False


def handlers(host: Effective) -> Judgement:
    """No kind of file is run by a program or a shell."""
    actions = host.everywhere("action", "script")
    given = [each for each in host.everywhere("addhandler", "sethandler") if each.arguments]
    run = [
        each
        for each in given
        if each.arguments[0].lower() not in HARMLESS or UNIX_SHELLS.search(" ".join(each.arguments))
    ]
    found = [f"{each.name} in {each.place}" for each in [*actions, *run]]
    return judged(not found, shown(found) if found else "no Action, no such handler")


def no_sessions(host: Effective, modules: list[str]) -> Judgement:
    """httpd itself keeps no sessions; where it does, somebody looks at them."""
    loaded = sorted(host.modules & set(modules))
    if loaded:
        return Judgement(TO_JUDGE, f"loaded: {shown(loaded)}")
    return Judgement(NOT_APPLICABLE, f"httpd keeps no sessions (not loaded: {shown(modules)})")


def listens_by_address(host: Effective) -> Judgement:
    """Each Listen names an address."""
    found = host.listeners()
    open_ones = [each.directive for each in found if each.address == ANY]
    return judged(
        not open_ones,
        f"without an address: {shown(open_ones)}" if open_ones else shown(each.directive for each in found),
    )


def vhosts_by_address(host: Effective) -> Judgement:
    """Each vhost names an address and a port."""
    found = [address for server in host.sites() for address in server.addresses]
    if not found:
        return Judgement(NOT_APPLICABLE, "there is no site")
    bad = sorted({address for address in found if address.startswith(("*", "_default_")) or ":" not in address})
    return judged(not bad, f"without an address: {shown(bad)}" if bad else shown(sorted(set(found))))


def usual_ports(host: Effective, ports: list[int]) -> Judgement:
    """Clients of the network find httpd at these ports alone."""
    found = sorted({int(each.port) for each in host.listeners()})
    return judged(set(found) <= set(ports), f"listens on {shown(found)}")
