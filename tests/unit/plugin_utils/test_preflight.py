# SPDX-License-Identifier: Apache-2.0
"""The preflight checks, asks and plans; what it knows counts in its own play, and what a host says is checked."""

from __future__ import annotations

from pathlib import Path
from typing import Any
from unittest.mock import MagicMock

import pytest
from ansible.errors import AnsibleActionFail
from ansible_collections.modwsgi.deploy.plugins.action import preflight as plugin
from ansible_collections.modwsgi.deploy.plugins.action import wsgi_go_live
from ansible_collections.modwsgi.deploy.plugins.module_utils.deploy.record import decode_environments
from ansible_collections.modwsgi.deploy.plugins.plugin_utils import preflight, settings
from ansible_collections.modwsgi.deploy.plugins.plugin_utils.preflight import ROLES, Preflight, PreflightError
from ansible_collections.modwsgi.deploy.plugins.plugin_utils.site import strategy
from support import actions
from support.preflight import DESCRIPTION, INSPECTION, Machine, base, plan_module, variables_of

FOUND: dict[str, Any] = {
    "steps": ["switch"],
    "due": [],
    "git": True,
    "once": {},
    "releases": {"shop": {}},
    "venvs": {},
    "certificates": {},
}


@pytest.fixture(name="machine")
def fixture_machine() -> Machine:
    """A host that is fit."""
    machine = Machine()
    machine.answers["wsgi_inspect"] = FOUND
    return machine


@pytest.fixture(name="variables")
def fixture_variables(tmp_path: Path) -> dict[str, Any]:
    return variables_of(tmp_path, script="wsgi.py")


def run(machine: Machine, variables: dict[str, Any], *roles: str, known: Any = None) -> dict[str, Any]:
    """The preflight of some roles; of all when none is named."""
    return Preflight(roles or ROLES, "web1", variables, machine.ask, known).run()


class TestPlan:
    def test_all_three_roles_ask_two_modules(self, machine: Machine, variables: dict[str, Any]) -> None:
        found = run(machine, variables)
        assert machine.asked == ["httpd_preflight", "wsgi_inspect"]
        assert found["httpd_host"] == DESCRIPTION
        assert found["mod_wsgi_plan"]["action"] == "build"
        assert [application["name"] for application in found["wsgi_app_applications"]] == ["shop"]
        assert found["wsgi_app_inspection"] == FOUND
        assert found["roles"] == list(ROLES)

    def test_the_files_are_those_that_go_live(self, machine: Machine, variables: dict[str, Any]) -> None:
        found = run(machine, variables)
        decided = strategy.with_strategies(variables["wsgi_apps"], {"shop": "blue_green"})
        assert found["httpd_files"] == base(tuple(decided)).files()
        assert machine.arguments["wsgi_inspect"]["configuration"] == {
            "httpd": found["httpd_files"],
            "mod_wsgi": found["mod_wsgi_files"],
        }

    def test_no_secret_is_in_what_is_registered(self, machine: Machine, variables: dict[str, Any]) -> None:
        assert "wisdom" not in str(run(machine, variables))
        assert decode_environments(machine.arguments["wsgi_inspect"]["environments"]) == {"shop": {"SECRET": "wisdom"}}

    def test_what_was_asked_in_this_play_is_not_asked_again(self, machine: Machine, variables: dict[str, Any]) -> None:
        known = run(machine, variables)
        machine.asked.clear()
        variables["httpd_timeout"] = 59
        again = run(machine, variables, known=known)
        assert machine.asked == ["wsgi_inspect"], "the play may have brought sources and certificates"
        texts = [file.get("content", "") for file in again["httpd_files"]]
        assert any("\nTimeout 59\n" in text for text in texts), "the play has set another value meanwhile"

    @pytest.mark.parametrize(
        ("name", "value", "module"),
        [("httpd_listen", [81], "httpd_preflight"), ("mod_wsgi_python", "3.12", "mod_wsgi_interpreter")],
    )
    def test_another_question_is_asked(
        self, machine: Machine, variables: dict[str, Any], name: str, value: Any, module: str
    ) -> None:
        known = run(machine, variables, "httpd", "mod_wsgi")
        machine.asked.clear()
        run(machine, {**variables, name: value}, "httpd", "mod_wsgi", known=known)
        assert machine.asked == [module]

    def test_what_the_role_has_installed_is_looked_at_again(self, machine: Machine, variables: dict[str, Any]) -> None:
        known = run(machine, variables, "httpd", "mod_wsgi")
        known["asked"] = {**known["asked"], "mod_wsgi": {}}  # as roles/mod_wsgi/tasks/install.yml leaves it
        machine.asked.clear()
        run(machine, variables, "mod_wsgi", known=known)
        assert machine.asked == ["mod_wsgi_interpreter"]

    def test_what_is_to_be_known_is_told_once(self, machine: Machine, variables: dict[str, Any]) -> None:
        variables["wsgi_apps"][0]["mode"] = "embedded"
        known = run(machine, variables)
        assert len(known["notes"]) == 1
        assert run(machine, variables, "wsgi_app", known=known)["notes"] == known["notes"]

    def test_a_role_alone_is_planned_alone(self, machine: Machine, variables: dict[str, Any]) -> None:
        found = run(machine, variables, "httpd")
        assert machine.asked == ["httpd_preflight"]
        assert "mod_wsgi" not in machine.arguments["httpd_preflight"]
        assert found["roles"] == ["httpd"]

    def test_applications_without_their_server_are_refused(self, machine: Machine, variables: dict[str, Any]) -> None:
        with pytest.raises(PreflightError, match=r"^Nothing is known of host web1 yet; apply the role"):
            run(machine, variables, "wsgi_app")
        assert machine.asked == []


class TestRefusals:
    @pytest.mark.parametrize(
        ("changes", "sentence"),
        [
            ({"httpd_lisen": [80]}, r"httpd_lisen \(did you mean httpd_listen\?\) is not known"),
            ({"httpd_log_level": "loud"}, "value of httpd_log_level must be one of"),
            ({"mod_wsgi_python": "three"}, 'mod_wsgi_python of host web1 is "three"'),
            ({"wsgi_app_keep_releases": 0}, "wsgi_app_keep_releases is less than 1, and the current release"),
            ({"wsgi_app_build_size": 7}, "wsgi_app_build_size is less than 1048576"),
            ({"wsgi_apps": [{"name": "shop"}]}, "missing required arguments"),
        ],
    )
    def test_variables_are_refused_before_the_host_is_asked(
        self, machine: Machine, variables: dict[str, Any], changes: dict[str, Any], sentence: str
    ) -> None:
        with pytest.raises(PreflightError, match=sentence):
            run(machine, {**variables, **changes})
        assert machine.asked == []

    @pytest.mark.parametrize(
        ("applications", "sentence"),
        [
            ([{"name": "shop"}], "missing required arguments"),
            ([{"tls": "yes"}], "dict"),
            (["shop"], "dict"),
            (5, "dict"),
        ],
    )
    def test_the_role_httpd_alone_refuses_a_list_that_it_cannot_read(
        self, machine: Machine, variables: dict[str, Any], applications: Any, sentence: str
    ) -> None:
        with pytest.raises(PreflightError, match=sentence):
            run(machine, {**variables, "wsgi_apps": applications}, "httpd")
        assert machine.asked == []

    @pytest.mark.parametrize(
        ("changes", "sentence"),
        [
            ({"httpd_reap_stuck_children": True}, "httpd_reap_stuck_children needs systemd"),
            ({"httpd_log_destination": "journal"}, "httpd_log_destination of host web1 is journal"),
        ],
    )
    def test_what_the_host_cannot_do_is_refused(
        self, machine: Machine, variables: dict[str, Any], changes: dict[str, Any], sentence: str
    ) -> None:
        machine.answers["httpd_preflight"]["host"]["service_manager"] = "none"
        with pytest.raises(PreflightError, match=sentence):
            run(machine, {**variables, **changes})

    @pytest.mark.parametrize(
        ("changes", "sentence"),
        [
            ({"httpd_instance": "container"}, "has no service to manage; set httpd_manage_service to false"),
            ({"httpd_environment": {"lower": 1}}, "httpd_environment has lower, which is no name of a variable"),
            ({"httpd_environment": {"UPPER": 1}}, "httpd_environment of host web1 is for containers"),
            ({"httpd_extra_modules": ["../../passwd"]}, r"contains '../../passwd'"),
            ({"httpd_server_name": "a\nb"}, "httpd_server_name"),
            ({"httpd_stop_timeout": 1}, "httpd_stop_timeout is 1"),
            ({"httpd_max_request_workers": 7}, r"httpd_max_request_workers \(7\)"),
        ],
    )
    def test_what_httpd_cannot_carry_is_refused(
        self, machine: Machine, variables: dict[str, Any], changes: dict[str, Any], sentence: str
    ) -> None:
        with pytest.raises(PreflightError, match=sentence):
            run(machine, {**variables, **changes}, "httpd")

    def test_a_role_for_sites_is_refused_in_an_image(self, machine: Machine, variables: dict[str, Any]) -> None:
        image = {"httpd_instance": "container", "httpd_manage_service": False, "httpd_private_port": 8079}
        with pytest.raises(PreflightError, match="remove the role wsgi_app from the play"):
            run(machine, {**variables, **image})

    @pytest.mark.parametrize(
        ("proven", "key"),
        [
            ({"applications": {"other": {}}, "awaited_certificates": []}, "proven.applications"),
            ({"applications": [], "awaited_certificates": []}, "proven.applications"),
            ({"applications": {}, "awaited_certificates": ["a"] * 9}, "proven.awaited_certificates"),
            ({"applications": {}, "awaited_certificates": [1]}, "proven.awaited_certificates"),
            ([], "proven"),
        ],
    )
    def test_what_the_host_has_proven_is_looked_at(
        self, machine: Machine, variables: dict[str, Any], proven: Any, key: str
    ) -> None:
        machine.answers["wsgi_inspect"] = {**FOUND, "steps": [], "proven": proven}
        with pytest.raises(PreflightError, match=f"Host web1 answers .* as {key}, which is not"):
            run(machine, variables)

    @pytest.mark.parametrize(
        "certificates", [[], {"../x": {}}, {"shop": {"fingerprint": "a{{ b }}", "stapling": True}}, {"shop": {}}]
    )
    def test_what_the_host_says_of_certificates_is_looked_at(
        self, machine: Machine, variables: dict[str, Any], certificates: Any
    ) -> None:
        machine.answers["httpd_preflight"]["certificates"] = certificates
        with pytest.raises(PreflightError, match=r"Host web1 answers .* as certificates.*, which is not"):
            run(machine, variables)

    @pytest.mark.parametrize(
        ("key", "value"),
        [
            ("steps", ["reboot"]),
            ("steps", "switch"),
            ("git", "yes"),
            ("due", "switch"),
            ("due", [{"step": "reboot", "name": "", "what": ""}]),
            ("due", [{"step": "switch", "name": "other", "what": ""}]),
            ("due", [{"step": "switch", "name": "shop", "what": "a\x1b[2J"}]),
            ("due", [{"step": "switch", "name": "shop", "what": "a" * 5000}]),
            ("due", [{"step": "switch", "name": "shop"}]),
            ("releases", {"other": {}}),
            ("venvs", []),
            ("certificates", {"../x": {}}),
        ],
    )
    def test_what_the_host_says_of_applications_is_looked_at(
        self, machine: Machine, variables: dict[str, Any], key: str, value: Any
    ) -> None:
        machine.answers["wsgi_inspect"] = {**FOUND, key: value}
        with pytest.raises(PreflightError, match=f"Host web1 answers .* as {key}, which is not"):
            run(machine, variables)

    def test_what_the_host_says_of_itself_is_looked_at(self, machine: Machine, variables: dict[str, Any]) -> None:
        machine.answers["mod_wsgi_interpreter"] = {**INSPECTION, "architecture": "x/../.."}
        with pytest.raises(PreflightError, match=r"Host web1 answers .* as architecture"):
            run(machine, variables)

    def test_what_is_wrong_with_the_python_is_told_as_the_host_says_it(
        self, machine: Machine, variables: dict[str, Any]
    ) -> None:
        machine.ask = lambda *_: {  # type: ignore[method-assign]
            "host": DESCRIPTION,
            "missing_packages": [],
            "mod_wsgi": {"problem": "No Python."},
        }
        with pytest.raises(PreflightError, match=r"^No Python\.$"):
            run(machine, variables)


class _WithModule:
    """The module is there; whether it fits is not the question here."""

    @pytest.fixture(autouse=True)
    def fixture_installed(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.planned = plan_module(monkeypatch)


class TestProofWithoutAChange(_WithModule):
    """The host compares and asks in the module that looks at it, so that a run without a change needs no other."""

    PROVEN = {"applications": {"shop": {"status": 200}}, "awaited_certificates": []}

    def live(self, machine: Machine, variables: dict[str, Any], **changes: Any) -> Any:
        """What the host gets for it."""
        Preflight(ROLES, "web1", {**variables, **changes}, machine.ask, prove=True).run()
        return machine.arguments["wsgi_inspect"].get("live")

    def test_the_host_gets_what_would_go_live(self, machine: Machine, variables: dict[str, Any]) -> None:
        """As the action of wsgi_go_live gives it to the module."""
        live = self.live(machine, variables)
        found = run(machine, variables)
        task = {
            "applications": found["wsgi_app_applications"],
            "wsgi_apps": variables["wsgi_apps"],
            "certificates": {},
            "logging": {"format": "text", "destination": "files"},
            "site": {"private_port": 297},
        }
        action = wsgi_go_live.ActionModule(*[MagicMock()] * 6)
        wanted = action.complete(task)
        assert live["files"] == wanted["files"]
        assert live["sensitive_files"] == wanted["sensitive_files"]
        assert live["site"]["applications"] == found["wsgi_app_applications"]
        assert (live["site"]["python_version"], live["site"]["mod_wsgi_version"]) == ("3.11.2", "6.1.1")
        assert live["manage_service"]
        assert "wisdom" not in str(live)

    def test_nothing_is_proven_where_work_is_known(self, machine: Machine, variables: dict[str, Any]) -> None:
        assert self.live(machine, variables, wsgi_only="shop") is None
        machine.answers["httpd_preflight"]["missing_packages"] = ["apache2"]
        assert self.live(machine, variables) is None
        machine.answers["httpd_preflight"]["missing_packages"] = []
        self.planned["action"] = "build"
        assert self.live(machine, variables) is None

    def test_nothing_is_proven_unless_asked_for(self, machine: Machine, variables: dict[str, Any]) -> None:
        run(machine, variables)
        assert "live" not in machine.arguments["wsgi_inspect"]

    def test_the_files_are_made_with_the_certificates_of_the_host(
        self, machine: Machine, variables: dict[str, Any]
    ) -> None:
        variables["wsgi_apps"][0]["tls"] = {"self_signed": True}
        variables["httpd_listen"] = [80, 443]
        there = {"shop": {"fingerprint": "a" * 64, "stapling": False}}
        machine.answers["httpd_preflight"]["certificates"] = there
        live = self.live(machine, variables)
        asked = machine.arguments["httpd_preflight"]["certificates"]
        assert asked == machine.arguments["wsgi_inspect"]["certificates"]
        assert [each["name"] for each in asked] == ["shop", "unknown-host"]
        assert live["certificates"] == there
        assert any("a" * 64 in file.get("content", "") for file in live["files"])

    def test_without_tls_no_certificate_is_asked_for(self, machine: Machine, variables: dict[str, Any]) -> None:
        self.live(machine, variables)
        assert "certificates" not in machine.arguments["httpd_preflight"]

    def test_a_proof_beside_work_does_not_count(self, machine: Machine, variables: dict[str, Any]) -> None:
        machine.answers["wsgi_inspect"] = {**FOUND, "steps": [], "proven": self.PROVEN}
        assert run(machine, variables)["wsgi_app_inspection"]["proven"] == self.PROVEN
        machine.answers["wsgi_inspect"] = {**FOUND, "proven": self.PROVEN}
        assert "proven" not in run(machine, variables)["wsgi_app_inspection"]


class TestSomeApplicationsAlone(_WithModule):
    """wsgi_only: all is planned, and only these are deployed."""

    @pytest.fixture(name="two")
    def fixture_two(self, variables: dict[str, Any]) -> dict[str, Any]:
        """Variables with two applications."""
        (shop,) = variables["wsgi_apps"]
        tls = {"tls": {"self_signed": True}}
        blog = {**shop, **tls, "name": "blog", "server_name": "blog.example", "environment": {}}
        return {**variables, "httpd_listen": [80, 443], "wsgi_apps": [shop, blog]}

    @pytest.mark.parametrize("only", ["shop", ["shop"], "shop,shop"])
    def test_they_are_planned_as_with_the_others_and_asked_for_alone(
        self, machine: Machine, two: dict[str, Any], only: Any
    ) -> None:
        everything = {each["name"]: each for each in run(machine, two)["wsgi_app_applications"]}
        found = run(machine, {**two, "wsgi_only": only})
        asked = machine.arguments["wsgi_inspect"]
        assert (found["wsgi_app_applications"], found["wsgi_app_others"]) == (
            [everything["shop"]],
            [everything["blog"]],
        )
        assert [each["name"] for each in asked["applications"]] == ["shop"]
        assert asked["certificates"] == found["wsgi_app_certificates"] == []
        assert [each["name"] for each in asked["other_certificates"]] == ["blog", "unknown-host"]
        assert asked["only"]
        assert "/usr/local/lib/modwsgi/launcher.py" in str(asked["configuration"]["wsgi_app"])
        assert "By wsgi_only, this run leaves these applications as they are on the host: blog." in found["notes"]

    def test_without_it_nothing_more_is_asked(self, machine: Machine, two: dict[str, Any]) -> None:
        found = run(machine, {**two, "wsgi_only": []})
        asked = machine.arguments["wsgi_inspect"]
        assert (found["wsgi_app_only"], found["wsgi_app_others"], found["notes"]) == (False, [], [])
        assert not {"only", "other_certificates"} & set(asked)
        assert list(asked["configuration"]) == ["httpd", "mod_wsgi"]

    def test_a_name_that_no_application_has_is_refused(self, machine: Machine, two: dict[str, Any]) -> None:
        with pytest.raises(
            PreflightError, match=r"^wsgi_only names 'shpo', which wsgi_apps of this host does not have "
        ):
            run(machine, {**two, "wsgi_only": "shop,shpo"})
        assert machine.asked == []

    def test_what_only_the_server_can_change_is_refused(self, machine: Machine, two: dict[str, Any]) -> None:
        self.planned["action"] = "build"
        with pytest.raises(PreflightError, match="mod_wsgi is not installed as the inventory says, which concerns all"):
            run(machine, {**two, "wsgi_only": "shop"})
        self.planned["action"] = "none"
        machine.answers["httpd_preflight"]["missing_packages"] = ["openssl"]
        with pytest.raises(PreflightError, match="On host web1, the packages openssl are missing, which concerns all"):
            run(machine, {**two, "wsgi_only": "shop"})
        assert "wsgi_inspect" not in machine.asked


@pytest.mark.parametrize(("build_on", "builder"), [("each", ""), ("host:web1", ""), ("host:web2", "web2")])
def test_who_builds_the_virtual_environments_is_known(
    machine: Machine, variables: dict[str, Any], build_on: str, builder: str
) -> None:
    both = {**variables, "groups": {"all": ["web1", "web2"]}, "wsgi_build_on": build_on}
    assert run(machine, both)["wsgi_app_builder"] == builder


def test_every_role_declares_what_the_preflight_takes() -> None:
    assert {f"mod_wsgi_{name}" for name in preflight.MODULE_SETTINGS} <= set(settings.options("mod_wsgi"))
    assert set(preflight.LEAST) <= set(settings.options("wsgi_app"))


class TestAction:
    def made(self, machine: Machine, play: str, **arguments: Any) -> Any:
        """The action in a play, with the host that it asks."""
        return actions.made(plugin, arguments, machine.ask, play)

    def test_a_plan_that_holds_is_taken(self, machine: Machine, variables: dict[str, Any]) -> None:
        found = self.made(machine, "one", roles=list(ROLES), hold=True).run(None, variables)
        machine.asked.clear()
        for role in ROLES:
            again = self.made(machine, "one", roles=[role]).run(None, {**variables, "modwsgi_preflight": found})
            assert {**again, "changed": False} == {**found, "changed": False}
        assert machine.asked == []

    def test_an_installed_module_leaves_nothing_to_install(self, machine: Machine, variables: dict[str, Any]) -> None:
        found = self.made(machine, "one", roles=list(ROLES), hold=True).run(None, variables)
        assert found["mod_wsgi_plan"]["action"] != "none"
        machine.asked.clear()
        later = {**variables, "modwsgi_preflight": found}
        installed = self.made(machine, "one", roles=["mod_wsgi"], installed_wheel="a" * 64).run(None, later)
        assert machine.asked == []
        plan = installed["mod_wsgi_plan"]
        assert (plan["action"], plan["installation"]["wheel_sha256"]) == ("none", "a" * 64)
        assert "a" * 64 in str(installed["mod_wsgi_files"])
        assert installed["mod_wsgi_interpreter"]["installed"]
        again = self.made(machine, "one", roles=["mod_wsgi"]).run(None, {**variables, "modwsgi_preflight": installed})
        assert again["mod_wsgi_plan"] == plan, "the plan still holds"

    def test_a_plan_of_another_play_is_not_taken(self, machine: Machine, variables: dict[str, Any]) -> None:
        found = self.made(machine, "one", roles=list(ROLES), hold=True).run(None, variables)
        machine.asked.clear()
        later = {**variables, "modwsgi_preflight": found, "httpd_timeout": 59}
        again = self.made(machine, "two", roles=list(ROLES)).run(None, later)
        assert machine.asked == ["httpd_preflight", "wsgi_inspect"]
        assert again["httpd_files"] != found["httpd_files"]

    def test_a_plan_that_does_not_hold_is_made_again(self, machine: Machine, variables: dict[str, Any]) -> None:
        found = self.made(machine, "one", roles=list(ROLES)).run(None, variables)
        machine.asked.clear()
        self.made(machine, "one", roles=["wsgi_app"]).run(None, {**variables, "modwsgi_preflight": found})
        assert machine.asked == ["wsgi_inspect"]

    def test_a_module_that_fails_is_told_in_its_own_words(self, machine: Machine, variables: dict[str, Any]) -> None:
        machine.answers["httpd_preflight"] = {"failed": True, "msg": "Port 80 of web1 is in use."}
        result = self.made(machine, "one", roles=["httpd"]).run(None, variables)
        assert (result["failed"], result["msg"]) == (True, "Port 80 of web1 is in use.")

    def test_defaults_of_roles_that_the_play_does_not_name_are_templated(
        self, machine: Machine, variables: dict[str, Any]
    ) -> None:
        made = self.made(machine, "one", roles=list(ROLES))
        del variables["mod_wsgi_wheel_cache"]
        made._templar.template = lambda given: {**given, "mod_wsgi_wheel_cache": f"of {given['mod_wsgi_wheel_cache']}"}
        found = made.templated(variables)
        assert found["mod_wsgi_wheel_cache"].startswith("of {{ lookup(")
        assert found["httpd_timeout"] == 60

    @pytest.mark.parametrize("roles", [[], ["nginx"], None])
    def test_other_roles_are_refused(self, machine: Machine, variables: dict[str, Any], roles: Any) -> None:
        with pytest.raises(AnsibleActionFail, match="takes a list of httpd, mod_wsgi, wsgi_app"):
            self.made(machine, "one", roles=roles).run(None, variables)
