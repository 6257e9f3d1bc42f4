# SPDX-License-Identifier: Apache-2.0
"""What a deployment would change is a finding, and so is what the host sees; a host that says nothing is one, too."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from ansible.errors import AnsibleActionFail, AnsibleConnectionFailure, AnsibleUndefinedVariable
from ansible_collections.modwsgi.deploy.plugins.action import wsgi_verify as plugin
from ansible_collections.modwsgi.deploy.plugins.module_utils.deploy.probe import SITE_OPTIONS
from ansible_collections.modwsgi.deploy.plugins.plugin_utils import verify
from ansible_collections.modwsgi.deploy.plugins.plugin_utils.preflight import PreflightError
from support import actions
from support.preflight import Machine, plan_module, variables_of

WELL = {"subject": "service", "application": "", "text": "httpd runs"}
ILL = {"subject": "health", "application": "shop", "text": "The application shop answered with status 500."}


@pytest.fixture(name="machine")
def fixture_machine(monkeypatch: pytest.MonkeyPatch) -> Machine:
    """A host on which everything is there; whether a module fits is not the question here."""
    plan_module(monkeypatch)
    machine = Machine()
    machine.answers["wsgi_verify"] = {"report": {"findings": [], "verified": [WELL]}}
    return machine


@pytest.fixture(name="variables")
def fixture_variables(tmp_path: Path) -> dict[str, Any]:
    login = {"type": "basic", "path": "/", "realm": "Shop", "users": {"ann": "$2y$05$" + "a" * 53}}
    return variables_of(tmp_path, auth=[login])


def found(machine: Machine, variables: dict[str, Any]) -> dict[str, list[dict[str, str]]]:
    return verify.verify("web1", variables, machine.ask, 14)


def texts(machine: Machine, variables: dict[str, Any]) -> list[str]:
    return [
        f"{each['subject']} {each['application']}: {each['text']}" for each in found(machine, variables)["findings"]
    ]


def test_a_host_that_is_well_has_no_finding(machine: Machine, variables: dict[str, Any]) -> None:
    report = found(machine, variables)
    assert report["findings"] == []
    assert [each["text"] for each in report["verified"]] == [
        "releases, Python 3.11.2 and mod_wsgi 6.1.1 as in the inventory",
        "httpd runs",
    ]
    assert verify.told("web1", report) == (
        "web1 is what the inventory says: releases, Python 3.11.2 and mod_wsgi 6.1.1 as in the inventory; httpd runs."
    )


def test_a_host_that_was_not_looked_at_is_not_well(
    machine: Machine, variables: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object) -> None:
        raise ValueError("httpd_listen: 'x' is no port")

    monkeypatch.setattr(verify, "_options", fail)
    assert texts(machine, variables) == ["host : The host was not looked at: httpd_listen: 'x' is no port"]


def test_the_host_is_asked_once_and_gets_all_that_goes_live(machine: Machine, variables: dict[str, Any]) -> None:
    found(machine, variables)
    given = machine.arguments["wsgi_verify"]
    assert list(machine.arguments) == ["httpd_preflight", "wsgi_inspect", "wsgi_verify"]
    assert list(given["configuration"]) == ["httpd", "mod_wsgi", "wsgi_app"]
    assert {**given["configuration"], "wsgi_app": []} == {
        **machine.arguments["wsgi_inspect"]["configuration"],
        "wsgi_app": [],
    }
    assert "sites-available/100-modwsgi-shop.conf" in [file["path"] for file in given["configuration"]["wsgi_app"]]
    assert set(given["site"]) == set(SITE_OPTIONS)
    assert (given["listen"], given["private_port"], given["certificate_days"]) == (["80"], 297, 14)


def test_passwords_travel_as_one_opaque_string_and_variables_not_at_all(
    machine: Machine, variables: dict[str, Any]
) -> None:
    found(machine, variables)
    given = json.dumps(machine.arguments["wsgi_verify"])
    assert "wisdom" not in given
    assert "$2y$" not in given
    assert machine.arguments["wsgi_verify"]["sensitive_files"]


@pytest.mark.parametrize(
    ("step", "name", "what", "sentence"),
    [
        (
            "accounts",
            "",
            "Create the user wsgi-shop",
            "Accounts or folders are not as they were made: site.yml would cr",
        ),
        (
            "packages",
            "",
            "install gcc",
            "The packages of the applications are not as the inventory says: site.yml would",
        ),
        ("releases", "shop", "", "The release of shop that the inventory asks for is not on the host; run site.yml."),
        ("venvs", "shop", "", "The virtual environment of shop that its release needs is missing or incomplete; run"),
        ("maintenance", "shop", "hide", "site.yml would hide the maintenance page of shop; run it."),
        ("certificates", "shop", "", "The self-made certificate of shop is missing, ends soon or has other names; run"),
        ("switch", "shop", "release, venv", "shop does not run as the inventory says: release, venv would change; run"),
        ("switch", "shop", "files", "shop does not run as the inventory says: its files or links below /etc/wsgi"),
    ],
)
def test_what_a_deployment_would_do_is_a_finding(
    machine: Machine, variables: dict[str, Any], step: str, name: str, what: str, sentence: str
) -> None:
    machine.answers["wsgi_inspect"]["due"] = [{"step": step, "name": name, "what": what}]
    told = texts(machine, variables)
    assert len(told) == 1
    assert told[0].startswith(f"{step} {name}: {sentence}")


def test_packages_and_the_module_are_named(
    machine: Machine, variables: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.undo()
    machine.answers["httpd_preflight"]["missing_packages"] = ["apache2"]
    machine.answers["mod_wsgi_interpreter"]["build_tools_recorded"] = True
    assert texts(machine, variables) == [
        "packages : The packages apache2 are not installed; run site.yml.",
        "module : mod_wsgi 6.1.1 for /usr/bin/python3.11 is not installed as the inventory says; run site.yml.",
        "packages : Build tools of a run that was cut off are still installed; run site.yml.",
    ]


def test_a_host_that_the_preflight_refuses_is_looked_at_all_the_same(
    machine: Machine, variables: dict[str, Any]
) -> None:
    machine.answers["wsgi_inspect"] = PreflightError("The account is root's; choose another.")
    machine.answers["wsgi_verify"]["report"] = {"findings": [ILL], "verified": []}
    assert texts(machine, variables) == [
        f"preflight : {verify.REFUSED}: The account is root's; choose another.",
        "health shop: The application shop answered with status 500.",
    ]
    given = machine.arguments["wsgi_verify"]
    assert [each["name"] for each in given["site"]["applications"]] == ["shop"]
    assert list(given["configuration"]) == ["httpd", "mod_wsgi"], "vhosts depend on what the inspection tells"


def test_what_preflight_and_host_tell_alike_is_told_once(machine: Machine, variables: dict[str, Any]) -> None:
    machine.answers["wsgi_inspect"] = PreflightError(ILL["text"])
    machine.answers["wsgi_verify"]["report"] = {"findings": [ILL], "verified": []}
    assert texts(machine, variables) == [
        f"preflight : {verify.REFUSED}; correct what is told below.",
        "health shop: The application shop answered with status 500.",
    ]


def test_a_server_that_is_refused_at_once_is_looked_at_without_its_applications(
    machine: Machine, variables: dict[str, Any]
) -> None:
    machine.answers["httpd_preflight"] = PreflightError("Port 80 of web1 is in use by nginx (pid 7).")
    assert texts(machine, variables) == [f"preflight : {verify.REFUSED}: Port 80 of web1 is in use by nginx (pid 7)."]
    assert machine.arguments["wsgi_verify"]["configuration"] == {}
    assert "site" not in machine.arguments["wsgi_verify"]


def test_variables_that_are_refused_leave_nothing_to_ask(machine: Machine, variables: dict[str, Any]) -> None:
    told = texts(machine, {**variables, "httpd_log_level": "loud"})
    assert len(told) == 1
    assert "value of httpd_log_level must be one of" in told[0]
    assert machine.arguments == {}


@pytest.mark.parametrize(
    "report",
    [
        None,
        {},
        {"findings": []},
        {"findings": [{**ILL, "application": "other"}], "verified": []},
        {"findings": [{**ILL, "subject": "{{ x }}"}], "verified": []},
        {"findings": [{**ILL, "text": "a\nb"}], "verified": []},
        {"findings": [{**ILL, "more": ""}], "verified": []},
        {"findings": [ILL] * 10_001, "verified": []},
        {"findings": [], "verified": [{**WELL, "text": 5}]},
    ],
)
def test_what_no_honest_host_says_is_a_finding(machine: Machine, variables: dict[str, Any], report: Any) -> None:
    machine.answers["wsgi_verify"] = {"report": report}
    told = texts(machine, variables)
    assert len(told) == 1
    assert told[0].startswith("host : The host cannot be looked at: Host web1 answers ")


def test_findings_are_a_line_each_and_name_the_host() -> None:
    report = {"findings": [ILL, {**ILL, "text": "It is full."}], "verified": [WELL]}
    assert verify.told("web1", report) == ("web1: The application shop answered with status 500.\nweb1: It is full.")


class TestAction:
    def made(self, machine: Machine, **arguments: Any) -> Any:
        return actions.made(plugin, arguments, machine.ask, check_mode=True)

    def test_it_never_changes_nor_fails(self, machine: Machine, variables: dict[str, Any]) -> None:
        machine.answers["wsgi_verify"]["report"] = {"findings": [ILL], "verified": []}
        result = self.made(machine, certificate_days="30").run(None, variables)
        assert (result["changed"], result.get("failed", False)) == (False, False)
        assert result["report"]["findings"] == [ILL]
        assert result["told"] == "web1: The application shop answered with status 500."
        assert machine.arguments["wsgi_verify"]["certificate_days"] == 30

    def test_a_host_that_cannot_be_reached_is_a_finding(self, machine: Machine, variables: dict[str, Any]) -> None:
        machine.answers["httpd_preflight"] = AnsibleConnectionFailure("no route to host")
        assert self.made(machine).run(None, variables)["report"] == {
            "findings": [
                {
                    "subject": "reach",
                    "application": "",
                    "text": "The host cannot be reached: no route to host; look at the host and the network.",
                }
            ],
            "verified": [],
        }

    def test_a_variable_that_is_not_there_is_a_finding(self, machine: Machine, variables: dict[str, Any]) -> None:
        made = self.made(machine)

        def template(_: object) -> object:
            raise AnsibleUndefinedVariable("'vault_key' is undefined")

        made._templar.template = template
        found = made.run(None, variables)["report"]["findings"]
        assert [each["subject"] for each in found] == ["preflight"]
        assert "'vault_key' is undefined" in found[0]["text"]

    @pytest.mark.parametrize("days", ["soon", "-1", "1.5"])
    def test_days_are_a_number(self, machine: Machine, variables: dict[str, Any], days: str) -> None:
        with pytest.raises(AnsibleActionFail, match=r"verify_certificate_days is '.*', which is no number of days"):
            self.made(machine, certificate_days=days).run(None, variables)


def test_the_whole_host_is_looked_at_whatever_a_run_is_for(machine: Machine, variables: dict[str, Any]) -> None:
    variables["wsgi_apps"].append({**variables["wsgi_apps"][0], "name": "blog", "server_name": "blog.example"})
    found(machine, variables)
    given = machine.arguments["wsgi_verify"]
    found(machine, {**variables, "wsgi_only": ["shop"]})
    assert machine.arguments["wsgi_verify"] == given
