# SPDX-License-Identifier: Apache-2.0
"""After the deployment everything runs, as the right users, and nobody can write what is none of theirs."""

from __future__ import annotations

import re

from support.managed_host import ManagedHost
from testinfra.host import Host


def test_the_service_is_enabled_and_running(host: Host) -> None:
    service = host.service("apache2")
    assert service.is_enabled
    assert service.is_running


def test_no_unit_has_failed(machine: ManagedHost) -> None:
    assert "apache2" not in machine.run("systemctl", "list-units", "--failed", "--plain", "--no-legend")


def test_the_parent_is_root_and_the_workers_are_not(machine: ManagedHost) -> None:
    processes = [process for process in machine.httpd_processes() if process.command.startswith("/usr/sbin/apache2")]
    parent = next(process for process in processes if process.parent == 1)
    workers = [process for process in processes if process.parent == parent.pid]
    assert parent.user == "root"
    assert workers
    assert {worker.user for worker in workers} == {"www-data"}


def test_httpd_cannot_write_to_the_system(machine: ManagedHost) -> None:
    parent = next(process for process in machine.httpd_processes() if process.parent == 1)
    within = ["nsenter", f"--target={parent.pid}", "--mount", "test", "-w"]
    for folder in ("/usr", "/etc"):
        assert machine.attempt("test", "-w", folder).returncode == 0, "not even root could"
        assert machine.attempt(*within, folder).returncode != 0, folder
    assert machine.attempt(*within, "/var/lib/wsgi/flask").returncode == 0


def test_each_application_has_one_daemon_group_or_blue_and_green(machine: ManagedHost, application: str) -> None:
    enabled = machine.run("sh", "-c", "cat /etc/apache2/sites-enabled/*.conf").replace("\\\n", " ")
    group = rf"^WSGIDaemonProcess {application}(\S*) .*\bprocesses=(\d+)"
    processes = dict(re.findall(group, enabled, re.MULTILINE))
    is_coloured = application == "flask" and not machine.container.endswith("-ssh")
    assert sorted(processes) == ([":blue", ":green"] if is_coloured else [""])
    assert len(machine.daemon_processes(application)) == sum(map(int, processes.values()))


def test_daemon_processes_run_as_the_application_s_own_user(machine: ManagedHost, application: str) -> None:
    users = {process.user for process in machine.daemon_processes(application)}
    assert users == {f"wsgi-{application}"}


def test_the_application_s_user_cannot_log_in(host: Host, application: str) -> None:
    user = host.user(f"wsgi-{application}")
    assert user.shell == "/usr/sbin/nologin"
    assert user.groups == [f"wsgi-{application}"]


def test_each_daemon_group_listens_on_a_socket_for_httpd_alone(machine: ManagedHost, host: Host) -> None:
    directory = host.file("/run/wsgi")
    assert directory.is_directory
    assert directory.user == "root"
    sockets = machine.run("find", "/run/wsgi", "-type", "s", "-printf", "%u %m\n").split("\n")[:-1]
    assert len(sockets) == (2 if machine.container.endswith("-ssh") else 3), "one for each group"
    assert set(sockets) == {"www-data 700"} or all(entry.endswith(" 600") for entry in sockets), sockets


def test_code_and_environment_are_not_writable_by_the_application(machine: ManagedHost, application: str) -> None:
    tree = f"/srv/wsgi/{application}"
    assert machine.run("find", "-L", f"{tree}/current/", "-maxdepth", "1", "-name", "*.py"), "there is code to protect"
    as_application = ("runuser", "-u", f"wsgi-{application}", "--")
    records = f"{tree}/records"  # with environment variables of earlier releases
    assert "Permission denied" in machine.attempt(*as_application, "ls", records).stderr
    assert machine.run(*as_application, "test", "!", "-w", records) == ""
    others = ("-path", records, "-prune", "-o", "!", "-type", "l", "-writable", "-print")
    assert machine.run(*as_application, "find", tree, *others) == ""
    owners = set(machine.run("find", tree, "-printf", "%u\n").split())
    assert f"wsgi-{application}" not in owners


def test_the_state_directory_belongs_to_the_application_alone(host: Host, application: str) -> None:
    state = host.file(f"/var/lib/wsgi/{application}")
    assert state.is_directory
    assert (state.user, state.mode) == (f"wsgi-{application}", 0o750)


def test_secrets_are_readable_by_the_application_and_by_no_other(
    machine: ManagedHost, host: Host, application: str
) -> None:
    path = f"/etc/wsgi/{application}/environment.json"
    file = host.file(path)
    assert (file.user, file.group, file.mode) == ("root", f"wsgi-{application}", 0o640)
    other = "wsgi-flask" if application == "django" else "wsgi-django"
    assert machine.attempt("runuser", "-u", f"wsgi-{application}", "--", "cat", path).returncode == 0
    for stranger in (other, "www-data", "nobody"):
        refused = machine.attempt("runuser", "-u", stranger, "--", "cat", path)
        assert "Permission denied" in refused.stderr, f"{stranger} can read {path}"


def test_secrets_are_not_in_httpd_s_configuration_nor_in_process_lists(machine: ManagedHost) -> None:
    program = """
import json
print(json.dumps(json.load(open("/etc/wsgi/django/environment.json"))["DJANGO_SECRET_KEY"]))
"""
    secret = machine.python(program)
    assert len(secret) > 20
    assert machine.attempt("grep", "-rqF", secret, "/etc/apache2").returncode == 1
    assert not [process for process in machine.processes() if secret in process.command]


def test_modules_that_nobody_uses_are_not_loaded(machine: ManagedHost) -> None:
    loaded = machine.run("apache2ctl", "-M")
    assert "mpm_event_module" in loaded
    assert "wsgi_module" in loaded
    for unused in ("mpm_prefork", "autoindex", "cgi", "userdir", "info_module", "dav", "php"):
        assert unused not in loaded, f"{unused} is loaded"


def test_the_configuration_raises_no_warning(machine: ManagedHost) -> None:
    result = machine.attempt("apache2ctl", "-t")
    assert (result.stdout + result.stderr).strip() == "Syntax OK"
