# SPDX-License-Identifier: Apache-2.0
"""What belongs to an httpd instance, on a host and in a container."""

from __future__ import annotations

import json
import os
import re
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import yaml
from ansible_collections.modwsgi.deploy.plugins.module_utils.instance import INSTANCES, UnknownInstanceError, instance
from ansible_collections.modwsgi.deploy.plugins.module_utils.layout import LIBRARY, STATE_ROOT
from ansible_collections.modwsgi.deploy.plugins.plugin_utils.mod_wsgi import plan
from ansible_collections.modwsgi.deploy.plugins.plugin_utils.site import apps, certificates, files
from support.documents import SIZES
from support.preflight import base
from support.scripts import ROOT

ROLE = ROOT / "roles/httpd"
SECOND = "apache2-second"
SHARED_KEYS = {
    *("binary", "module_directory", "unit_directory", "user", "group"),  # of the distribution
    "status_directory",  # what is in it is read by httpd's user, whatever its instance
    "spool_directory",  # for files without a name
    *("access_log_format", "private_include"),  # names in the configuration of one httpd
}
"""Parts of a description that are the same for all instances."""

SHARED_FILES = re.compile(
    rf"{LIBRARY}(/[\w/]+\.(py|conf)|/embedded)?|/usr/local/bin/wsgi-\w+|/run/modwsgi-status(/key)?|{STATE_ROOT}"
)
"""The programs of this collection, the key of the status, and the folder in which applications have theirs."""

TRACES = re.compile(
    r"(?<![\w.}])/(?:etc|opt|run|srv|usr/local|var)/[\w@./-]*[\w-]"  # paths
    r"|\b[\w@-]+\.(?:service|timer)\b|\bjournal:[\w-]+|\bwsgi-[a-z]+-\w+"  # units, names in the journal, accounts
    r"|(?<=:)\d+(?=>)|(?<=Listen )\d+$|(?<=\.pid )\d+|(?<=MAINPID} )\d+",  # ports
    re.MULTILINE,
)


def test_all_instances_have_the_same_keys() -> None:
    assert {tuple(instance(name)) for name in (*INSTANCES, SECOND)} == {tuple(instance("apache2"))}


def test_a_container_writes_below_one_folder_at_run_time() -> None:
    container = instance("container")
    for key in ("pid_file", "log_directory", "socket_directory", "run_directory"):
        assert Path(container[key]).is_relative_to("/tmp/modwsgi"), key
    assert (container["error_log"], container["access_log"]) == ("/dev/stderr", "/dev/stdout")


def test_a_container_has_no_service_manager() -> None:
    container = instance("container")
    assert [container[key] for key in ("unit", "reaper_unit", "unit_drop_in_directory", "init_script")] == [""] * 4


@pytest.mark.parametrize("name", ["nginx", "apache2-", "apache2-..", "apache2-a/b", "apache2-b\n", "apache2b"])
def test_an_unknown_instance_is_refused_with_those_that_are_known(name: str) -> None:
    with pytest.raises(UnknownInstanceError, match="is not known; use 'apache2' or 'container'"):
        instance(name)


def test_the_role_offers_the_instances_that_are_known() -> None:
    specification = yaml.safe_load((ROLE / "meta/argument_specs.yml").read_text(encoding="utf-8"))
    for entry_point in specification["argument_specs"].values():
        assert entry_point["options"]["httpd_instance"]["choices"] == list(INSTANCES)


def test_what_only_a_host_has_is_not_written_into_a_container() -> None:
    container = base(httpd_instance="container", httpd_manage_service=False, httpd_private_port=8079)
    only = re.compile("systemd|tmpfiles|logrotate|drain|reap|unit")
    assert [file["path"] for file in container.files() if only.search(file["path"])] == []
    assert [file["path"] for file in base().files() if only.search(file["path"])] != []


def traces(name: str, folder: Path, ports: dict[str, int], python: str) -> set[str]:
    """Whatever could meet another instance in the files of this one: base, module, and two applications with TLS."""
    described, tail = instance(name), name.rpartition("-")[2]
    source = {"directory": str(folder), "exclude": []}
    acme = {"port": ports["tls"], "acme": {"contact": "a@b.example", "agree_terms": True}}
    raw: list[dict[str, Any]] = [
        {"name": f"shop-{tail}", "tls": acme, "daemon_groups": [{"name": "slow", "paths": ["/slow"]}]},
        {"name": f"blog-{tail}", "tls": {"port": ports["tls"], "self_signed": True}, "mode": "embedded"},
    ]
    raw = [{**each, "source": source, "port": ports["plain"], "server_name": f"{each['name']}.example"} for each in raw]
    listen = [ports["plain"], ports["tls"]]
    logging = {"format": "json", "destination": "journal"}
    variables = {f"httpd_log_{key}": value for key, value in logging.items()}
    server = base(tuple(raw), httpd_listen=listen, httpd_private_port=ports["private"], **variables)
    server = replace(server, settings={**server.settings, "httpd_instance": name})  # no role offers a second one yet
    module = {
        "version": "6.1.1",
        "module": f"/opt/mod_wsgi/{python}/mod_wsgi.so",
        "interpreter": {"version": python, "prefix": "/usr", "libpython": f"/usr/lib/libpython{python}.so.1.0"},
    }
    complete = apps.normalise(raw, listen, {each["name"]: SIZES for each in raw}, described)
    planned = [
        *server.files(),
        *plan.files(module, described),
        *files.files(complete, described, logging=logging, private_port=ports["private"]),
        *files.files(complete, described, private_port=ports["private"]),  # with log files
    ]
    texts = [each.get("content", "") for each in planned if not each["path"].endswith(".py")]
    texts += [json.dumps(complete), json.dumps(certificates.wanted(complete, described["state_directory"]))]
    return {os.path.join(described["server_root"], each["path"]) for each in planned}.union(*map(TRACES.findall, texts))


def test_two_instances_do_not_meet(tmp_path: Path) -> None:
    (tmp_path / "wsgi.py").touch()
    first = traces("apache2", tmp_path, {"plain": 80, "tls": 8443, "private": 297}, "3.11")
    second = traces(SECOND, tmp_path, {"plain": 8080, "tls": 443, "private": 298}, "3.13")
    assert {trace for trace in first & second if not SHARED_FILES.fullmatch(trace)} == set()
    assert second > {
        *("/etc/apache2-second/ports.conf", "/etc/tmpfiles.d/modwsgi-apache2-second.conf", "/run/wsgi-second/wsgi"),
        *("/etc/systemd/system/apache2@second.service.d/modwsgi.conf", "/usr/local/sbin/apache2ctl-second"),
        *("/etc/ansible/facts.d/mod_wsgi-second.fact", "/var/log/apache2-second/shop-second-access.log"),
        *("apache2@second.service", "/etc/systemd/system/modwsgi-reap-second.service"),
        *("/etc/logrotate.d/apache2-second", "/var/lib/modwsgi/apache2-second/md", "journal:apache2-second-error"),
        *("8080", "443", "298", "wsgi-shop-second", "modwsgi-renewals-second.timer"),
    }


def test_a_description_shares_nothing_but_what_is_named() -> None:
    first, second = instance("apache2"), instance(SECOND)
    assert {key for key in first if first[key] == second[key]} == SHARED_KEYS
