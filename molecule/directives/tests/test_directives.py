# SPDX-License-Identifier: Apache-2.0
"""Each directive and option that a mod_wsgi knows is set, read by httpd as it was meant, and served with."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import requests
from ansible_collections.modwsgi.deploy.plugins.plugin_utils.mod_wsgi.directives import (
    DAEMON_OPTIONS,
    DIRECTIVES,
    INTERPRETER,
    LOCATION,
    SERVER,
    VHOST,
    Setting,
    at,
    daemon_options,
    lines,
    server_lines,
    table,
    text,
)
from ansible_collections.modwsgi.deploy.plugins.plugin_utils.site.proxies import PROXY_HEADERS
from support import breadth
from support.deployment import Deployment, deploy
from support.directives import ADDITIONS, CODE, sample
from support.httpd_grammar import options as read_options
from support.managed_host import ManagedHost
from support.site import Site
from support.waiting import wait_for

SCENARIO = Path(os.environ["MOLECULE_SCENARIO_DIRECTORY"])
HOSTS: dict[str, str] = {
    name: str(variables["mod_wsgi_version"]) for name, variables in breadth.hosts(SCENARIO).items()
}
SOURCE = {"directory": str(SCENARIO / "applications" / "shop")}
NEVER = {"WSGIPy3kWarningFlag", "WSGIUserAuthoritative"}
"""Directives that are compiled for Python 2, or for an httpd before 2.2."""

EGGS = "/var/tmp/%{x} \"two\"  'three' \\ back\\\\ é # $ &<>;"
"""A path with all that means something to a parser."""

GROUPS = ["shop", "shop:slow"]


def available(settings: dict[str, Setting], version: str) -> dict[str, Any]:
    """A value for each setting that a version has."""
    return {key: sample(setting) for key, setting in settings.items() if not setting.unavailable(version)}


def server(version: str) -> dict[str, Any]:
    """All of `mod_wsgi_directives` that a version has."""
    values = available(dict(at(SERVER)), version)
    sections = values.get("interpreter_options", [])
    for section in sections:
        section.update(available(dict(at(INTERPRETER)), version))
    for holder in [values, *sections]:
        if "free_threading" in holder:  # with it, there is no switch interval
            holder["free_threading"] = False
    return values


def applications(version: str) -> list[dict[str, Any]]:
    """Two applications that set everything else; they share what only one of the two may have."""
    own = available(dict(daemon_options()), version)
    apart = {name: own.pop(name) for name in ("script_group", "chroot")}
    vhost = available(dict(at(VHOST)), version)
    location = available(dict(at(LOCATION)), version)
    vhost["restrict_process"] = location["restrict_process"] = GROUPS
    location["auth_group_script"]["groups"] = ["staff"]
    # An interpreter of their own, so that one script can be all of them.
    for values in (vhost, location):
        for name in ("dispatch_script", "access_script", "auth_user_script", "auth_group_script"):
            if name in values:
                values[name]["application_group"] = "%{GLOBAL}"
    return [
        {
            "name": "shop",
            "source": SOURCE,
            "server_name": "shop.example",
            "processes": 1,
            "daemon_options": {**own, "python_eggs": EGGS},
            "daemon_groups": [{"name": "slow", "paths": ["/slow"], "daemon_options": {"umask": "0077"}}],
            "wsgi_directives": {**vhost, "locations": [{"path": "/everything", **location}]},
            "trusted_proxies": ["10.0.0.0/8", "2001:DB8::/32"],
            "trusted_proxy_headers": list(PROXY_HEADERS),
        },
        {
            "name": "plain",
            "source": SOURCE,
            "server_name": "plain.example",
            "releases": {"strategy": "rolling"},
            "processes": 1,
            "daemon_options": apart,
        },
    ]


def of_each(make: Any) -> dict[str, Any]:
    """A value for the version of each host, as a variable for all of them."""
    return {version: make(version) for version in HOSTS.values()}


def deploy_each(make: Any) -> Deployment:
    """Deploy to each host all directives that its version has, and the applications that are made for it."""
    return deploy(
        variables={
            "server": of_each(server),
            "applications": of_each(make),
            "mod_wsgi_directives": "{{ server[mod_wsgi_version] }}",
            "wsgi_apps": "{{ applications[mod_wsgi_version] }}",
        }
    )


@pytest.fixture(scope="module", autouse=True)
def deployed() -> Deployment:
    """Everything is set on all hosts; the play itself proves that each application answers."""
    done = deploy_each(applications)
    assert done.status == 0, done.output
    return done


def configuration(machine: ManagedHost) -> list[str]:
    """All directives that httpd has read, as it has read them."""
    info = "LoadModule info_module /usr/lib/apache2/modules/mod_info.so"
    dumped = machine.run("apache2ctl", "-t", "-D", "DUMP_CONFIG", "-C", info)
    return [line.strip() for line in dumped.splitlines() if line.strip() and not line.startswith("#")]


def shop(host: str) -> Site:
    return Site(ManagedHost(host).address(), "shop.example")


def answer(host: str, path: str, **options: Any) -> dict[str, Any]:
    found = shop(host).get(path, **options)
    assert found.status_code == 200, f"{path}: {found.text}"
    parsed: dict[str, Any] = found.json()
    return parsed


# ---------------------------------------------------------------- what each module knows


KNOWN = """
import json, subprocess, sys
load, directives, options = json.load(sys.stdin)
def refused(line):
    if line.startswith("<"):
        line += " process-group=x>\\n</" + line[1:] + ">"
    with open("/tmp/one.conf", "w") as file:
        file.write(load + line + "\\n")
    return subprocess.run(["apache2", "-t", "-f", "/tmp/one.conf"], capture_output=True, text=True).stderr
unknown = [name for name in directives if "Invalid command" in refused(name)]
bad = "Invalid option to WSGI daemon process definition"
unknown += [name for name in options if bad in refused("WSGIDaemonProcess x " + name + "=")]
print(json.dumps(unknown))
"""


@pytest.mark.parametrize(("host", "version"), HOSTS.items())
def test_a_module_knows_what_the_data_says(host: str, version: str) -> None:
    machine = ManagedHost(host)
    load = machine.run("sh", "-c", "cat /etc/apache2/mods-enabled/mpm_*.load /etc/apache2/mods-enabled/modwsgi.load "
                       "/etc/apache2/mods-enabled/auth*.load")  # fmt: skip
    directives, options = table(DIRECTIVES), table(DAEMON_OPTIONS)
    names = [setting.title.rstrip(">") for setting in directives]
    machine.run("sh", "-c", "cat > /tmp/known.py", text=KNOWN)
    asked = json.dumps([load, names, [setting.name for setting in options]])
    unknown = json.loads(machine.run("/usr/bin/python3", "/tmp/known.py", text=asked))
    expected = {setting.title.rstrip(">") for setting in (*directives, *options) if setting.unavailable(version)}
    assert set(unknown) == expected | NEVER


@pytest.mark.parametrize(("host", "version"), HOSTS.items())
def test_httpd_has_read_each_directive_as_it_was_meant(host: str, version: str) -> None:
    read = configuration(ManagedHost(host))
    wanted = [line.strip() for line in server_lines(server(version)) if not line.startswith("<")]
    wanted += ["WSGITrustedProxies 10.0.0.0/8 2001:db8::/32", f"WSGITrustedProxyHeaders {' '.join(PROXY_HEADERS)}"]
    first, _ = applications(version)
    vhost = dict(first["wsgi_directives"])
    for place, values in ((LOCATION, vhost.pop("locations")[0]), (VHOST, vhost)):
        for key, setting in at(place).items():
            if key in values:
                wanted += lines(setting, values[key], CODE, ADDITIONS)
    assert [line for line in wanted if line not in read] == []


@pytest.mark.parametrize(("host", "version"), HOSTS.items())
def test_httpd_has_read_each_option_as_it_was_meant(host: str, version: str) -> None:
    groups = {
        line.split()[1]: read_options(line.split(None, 2)[2])
        for line in configuration(ManagedHost(host))
        if line.startswith("WSGIDaemonProcess ")
    }
    first, second = applications(version)
    for name, given in (("shop", first["daemon_options"]), ("plain", second["daemon_options"])):
        for key, value in given.items():
            setting = daemon_options()[key]
            assert groups[name][setting.name] == text(setting, value), (name, key)
    assert groups["shop:slow"]["umask"] == "0077"
    known = {setting.name for setting in table(DAEMON_OPTIONS) if not setting.unavailable(version)}
    # What the launcher does instead.
    assert known - {"python-path"} == set(groups["shop"]) | {"script-group", "chroot"}


# ---------------------------------------------------------------- what it does


@pytest.mark.parametrize(("host", "version"), HOSTS.items())
def test_the_settings_have_the_effect(host: str, version: str) -> None:
    found = answer(host, "/")
    group = int(ManagedHost(host).run("id", "-g", "www-data"))
    assert group in found.pop("groups")
    expected = {
        "process_group": "shop",
        "umask": "0o27",
        "niceness": 5,
        "cpu_time": 600,
        "data": 4294967296,
        "address_space": 17179869184,
        "eggs": EGGS,
        "imported_for": "shop",
        "optimize": 2,
        "no_bytecode": True,
        "warnings": ["error::BytesWarning"],
    }
    assert {key: found[key] for key in expected} == expected
    if version.startswith("6"):
        assert found["switch_interval"] == 0.01


@pytest.mark.parametrize("host", HOSTS)
def test_a_further_group_serves_its_paths(host: str) -> None:
    found = answer(host, "/slow/report")
    assert (found["process_group"], found["script_name"], found["path"]) == ("shop:slow", "", "/slow/report")
    assert found["umask"] == "0o77"
    assert len(ManagedHost(host).daemon_processes("shop")) == 2


@pytest.mark.parametrize("host", HOSTS)
def test_a_pattern_is_the_root_of_the_application(host: str) -> None:
    found = answer(host, "/wiki/pages/one")
    assert (found["script_name"], found["path"]) == ("/wiki/pages", "/one")


@pytest.mark.parametrize("host", HOSTS)
def test_a_script_checks_passwords_and_groups(host: str) -> None:
    site = shop(host)
    assert site.get("/everything").status_code == 401
    assert site.get("/everything", auth=("staff", "wrong")).status_code == 401
    assert site.get("/everything", auth=("guest", "tseug")).status_code in (401, 403)
    assert answer(host, "/everything", auth=("staff", "ffats"))["path"] == "/everything"
    assert answer(host, "/")["user"] is None


def chunks() -> Iterator[bytes]:
    yield b"one"
    yield b"three"


@pytest.mark.parametrize("host", HOSTS)
def test_a_chunked_request_is_accepted(host: str) -> None:
    found = requests.post(shop(host).url("/"), data=chunks(), headers={"Host": "shop.example"}, timeout=30)
    assert found.json()["received"] == 8


def test_a_new_release_replaces_the_processes_of_all_groups(tmp_path: Path) -> None:
    shutil.copytree(SOURCE["directory"], tmp_path / "shop")
    (tmp_path / "shop" / "more.py").write_text("")

    def changed(version: str) -> list[dict[str, Any]]:
        return [{**one, "source": {"directory": str(tmp_path / "shop")}} for one in applications(version)]

    before = {host: ManagedHost(host).daemon_pids("shop") for host in HOSTS}
    done = deploy_each(changed)
    assert done.status == 0, done.output
    for host, pids in before.items():
        after = ManagedHost(host).daemon_pids("shop")
        assert len(pids) == len(after) == 2, host
        assert pids & after == set(), host
        assert answer(host, "/slow/report")["process_group"] == "shop:slow"


@pytest.mark.parametrize(("host", "version"), HOSTS.items())
def test_the_log_says_why_a_daemon_process_has_ended(host: str, version: str) -> None:
    """At httpd's default log level. All modules say it in nearly the same words, which are in docs/operating.md.

    httpd says it in its own log, and the process what it was asked for in that of its site.
    """
    machine = ManagedHost(host)
    asked = "Graceful restart requested" if version.startswith("6") else "Process eviction requested"
    # A process that has just been started hears SIGKILL alone.
    for number, reasons in (("USR1", [asked, "terminated normally, exit code 0"]), ("9", ["terminated by signal 9"])):
        (process,) = wait_for(lambda: machine.daemon_processes("plain"), "the process is there")
        machine.run("kill", f"-{number}", str(process.pid))
        for part in ("has died", *reasons):
            wait_for(
                lambda: [
                    line
                    for line in machine.run("sh", "-c", "cat /var/log/apache2/*error.log").splitlines()
                    if f"pid={process.pid})" in line or f"[pid {process.pid}:" in line  # noqa: B023
                    if part in line  # noqa: B023
                ],
                f"httpd logs {part}",
            )
