# SPDX-License-Identifier: Apache-2.0
"""What belongs to an httpd instance, on a host and in a container."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
import yaml
from ansible_collections.modwsgi.deploy.plugins.module_utils.instance import INSTANCES, UnknownInstanceError, instance
from support.preflight import base
from support.scripts import ROOT

ROLE = ROOT / "roles/httpd"


def test_all_instances_have_the_same_keys() -> None:
    assert {tuple(instance(name)) for name in INSTANCES} == {tuple(instance())}


def test_a_container_writes_below_one_folder_at_run_time() -> None:
    container = instance("container")
    for key in ("pid_file", "log_directory", "socket_directory", "run_directory"):
        assert Path(container[key]).is_relative_to("/tmp/modwsgi"), key
    assert (container["error_log"], container["access_log"]) == ("/dev/stderr", "/dev/stdout")


def test_a_container_has_no_service_manager() -> None:
    container = instance("container")
    assert [container[key] for key in ("unit", "reaper_unit", "unit_drop_in_directory", "init_script")] == [""] * 4


def test_an_unknown_instance_is_refused_with_those_that_are_known() -> None:
    with pytest.raises(UnknownInstanceError, match="'nginx' is not known; use 'apache2' or 'container'"):
        instance("nginx")


def test_the_role_offers_the_instances_that_are_known() -> None:
    specification = yaml.safe_load((ROLE / "meta/argument_specs.yml").read_text(encoding="utf-8"))
    for entry_point in specification["argument_specs"].values():
        assert entry_point["options"]["httpd_instance"]["choices"] == list(INSTANCES)


def test_what_only_a_host_has_is_not_written_into_a_container() -> None:
    container = base(httpd_instance="container", httpd_manage_service=False, httpd_private_port=8079)
    only = re.compile("systemd|tmpfiles|logrotate|drain|reap|unit")
    assert [file["path"] for file in container.files() if only.search(file["path"])] == []
    assert [file["path"] for file in base().files() if only.search(file["path"])] != []
