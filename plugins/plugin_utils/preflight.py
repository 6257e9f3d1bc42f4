# SPDX-License-Identifier: Apache-2.0
"""All that is known and decided about a host before anything on it is changed. On the control node.

The variables are checked, the host is asked, the answers are checked, and what the roles will do is planned. Nothing is
changed; whatever can be refused is refused here.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Mapping
from functools import cached_property
from typing import Any

from ansible_collections.modwsgi.deploy.plugins.module_utils.deploy import source
from ansible_collections.modwsgi.deploy.plugins.module_utils.httpd import foreign as httpd_foreign
from ansible_collections.modwsgi.deploy.plugins.plugin_utils import (
    fleet,
    host_answers,
    rendering,
    settings,
    venv_builder,
)
from ansible_collections.modwsgi.deploy.plugins.plugin_utils.httpd import base as httpd_base
from ansible_collections.modwsgi.deploy.plugins.plugin_utils.httpd import sizing
from ansible_collections.modwsgi.deploy.plugins.plugin_utils.httpd.base import Base
from ansible_collections.modwsgi.deploy.plugins.plugin_utils.mod_wsgi import directives
from ansible_collections.modwsgi.deploy.plugins.plugin_utils.mod_wsgi import plan as mod_wsgi_plan
from ansible_collections.modwsgi.deploy.plugins.plugin_utils.rendering import role_file
from ansible_collections.modwsgi.deploy.plugins.plugin_utils.site import apps, daemon, files, strategy
from ansible_collections.modwsgi.deploy.plugins.plugin_utils.site import certificates as wsgi_certificates
from ansible_collections.modwsgi.deploy.plugins.plugin_utils.site import source as site_source
from ansible_collections.modwsgi.deploy.plugins.plugin_utils.written import encoded, environments, user_files

HTTPD, MOD_WSGI, WSGI_APP = ROLES = ("httpd", "mod_wsgi", "wsgi_app")

MODULE_SETTINGS = (
    "python", "version", "install_method", "source", "source_sha256", "wheel", "wheel_sha256", "wheel_cache",
    "build_on", "verify_wheel", "allow_known_bad", "destroy_interpreter", "reload_drain_timeout", "directives",
)  # fmt: skip
"""Variables of the role mod_wsgi that decide its plan, without their prefix."""

LEAST = {
    "wsgi_app_keep_releases": (1, "and the current release always stays; use 1 or more."),
    "wsgi_haproxy_seconds": (1, "and no server leaves its backend at once; use 1 (second) or more."),
    "wsgi_app_build_timeout": (1, "and without time nothing can be built; use 1 (second) or more."),
    "wsgi_app_build_size": (1 << 20, "and nothing can be built in that; use 1048576 (bytes) or more."),
}

STEPS = ("accounts", "packages", "releases", "venvs", "maintenance", "preparation", "certificates", "switch", "upgrade")
"""Steps of a deployment that may have something to do."""

Ask = Callable[[str, dict[str, Any]], Mapping[str, Any]]
"""Runs a module on the host, by its name and arguments; returns its answer. Raises PreflightError when it fails."""


def prepare() -> None:
    """Read what each preflight needs, whatever the host: before Ansible forks, so that the hosts do not do it each."""
    for role in ROLES:
        settings.specification(role)
    directives.table(directives.DIRECTIVES)
    for environment in (rendering.templates(HTTPD), rendering.templates(MOD_WSGI), files.templates()):
        for name in environment.list_templates(extensions=["j2"]):
            environment.get_template(name)


class PreflightError(Exception):
    """The host, the variables or the applications are not fit; the text is for the user."""


class Preflight:
    """The preflight of one host. ``run`` returns what is known; nothing else has to be called."""

    def __init__(
        self,
        roles: Iterable[str],
        host: str,
        variables: Mapping[str, Any],
        ask: Ask,
        known: Mapping[str, Any] | None = None,
        prove: bool = False,
    ) -> None:
        """``variables`` are those of the play for this host, templated where a role declares them.

        ``known`` is what an earlier preflight of the same play has returned for this host: its answers hold, and what
        the roles given here do not decide. ``prove``: whether the host proves at once that the applications are well,
        when nothing is left to do.
        """
        self.roles = [role for role in ROLES if role in roles]
        self.host = host
        self.variables = variables
        self.ask = ask
        self.prove = prove
        self.strategies: dict[str, str] = {}
        """How releases of those applications change that leave it to the host, once that is decided."""
        self.result: dict[str, Any] = {"asked": {}, "notes": [], **(known or {})}

    def run(self) -> dict[str, Any]:
        """Check, ask, check, plan. Raises PreflightError."""
        try:
            self._refuse([sentence for role in self.roles for sentence in self._problems_of_variables(role)])
            for role in self.roles:
                {HTTPD: self._httpd, MOD_WSGI: self._mod_wsgi, WSGI_APP: self._wsgi_app}[role]()
        except (ValueError, source.SourceError) as error:
            raise PreflightError(str(error)) from error
        covered = {*self.result.get("roles", ()), *self.roles}
        return {**self.result, "roles": [role for role in ROLES if role in covered]}

    def installed(self, wheel_sha256: str, check_mode: bool) -> dict[str, Any]:
        """What is known after the module was installed: what was asked for, not what the host reports.

        ``wheel_sha256`` is that of the wheel, "" for the distribution's package. The answers of before are out of date.
        """
        plan, interpreter = self.result["mod_wsgi_plan"], self.result["mod_wsgi_interpreter"]
        record = self.result["mod_wsgi_record"]
        package = plan["settings"]["install_method"] == "package"
        installation = {} if package else {**record, "wheel_sha256": wheel_sha256}
        return {
            **self.result,
            "asked": {**self.result["asked"], MOD_WSGI: {}},
            "mod_wsgi_interpreter": {**interpreter, "installed": not check_mode or interpreter["installed"]},
            "mod_wsgi_plan": {**plan, "action": "none", "installation": installation},
            "mod_wsgi_files": self._module_files(installation or record),
        }

    def _refuse(self, problems: Iterable[str]) -> None:
        sentences = " ".join(problems)
        if sentences:
            raise PreflightError(sentences)

    @cached_property
    def _httpd_settings(self) -> dict[str, Any]:
        return settings.checked(HTTPD, self.variables)

    @cached_property
    def _mod_wsgi_settings(self) -> dict[str, Any]:
        return settings.checked(MOD_WSGI, self.variables)

    @cached_property
    def _wsgi_app_settings(self) -> dict[str, Any]:
        return settings.checked(WSGI_APP, self.variables)

    @property
    def _written_applications(self) -> list[dict[str, Any]]:
        """``wsgi_apps`` as the inventory has it, which tells what is set from what is a default."""
        return strategy.with_strategies(self.variables.get("wsgi_apps") or [], self.strategies)

    @cached_property
    def _typed_applications(self) -> list[dict[str, Any]]:
        return settings.applications(self.variables.get("wsgi_apps") or [])

    @property
    def _applications(self) -> list[dict[str, Any]]:
        """``wsgi_apps`` with the types and defaults of its specification."""
        return strategy.with_strategies(self._typed_applications, self.strategies)

    def _decide(self, host: Mapping[str, Any]) -> None:
        """What is a default only on a host that is known."""
        server = {
            "version": self._module_version(self._base(host)),
            "directives": self._mod_wsgi_settings["mod_wsgi_directives"] or {},
            "site_modules": self._httpd_settings["httpd_site_modules"],
        }
        self.strategies = strategy.defaults(self._typed_applications, host, server)

    def _problems_of_variables(self, role: str) -> list[str]:
        """What needs no answer of the host. Raises SettingsError."""
        unknown = settings.unknown(role, self.variables)
        listen = self._httpd_settings["httpd_listen"]
        if role == HTTPD:
            return unknown
        if role == MOD_WSGI:
            return [*unknown, *mod_wsgi_plan.settings_problems(self._plan_settings({}))]
        checked = self._wsgi_app_settings
        return [
            *unknown,
            *apps.unknown_names(checked["wsgi_only"], self._written_applications),
            *apps.problems(self._written_applications, listen, checked["wsgi_environment"]),
            *fleet.problems(checked, self.variables["groups"]["all"], self.variables.get("on_failure")),
            *(
                f"{name} is less than {least}, {advice}"
                for name, (least, advice) in LEAST.items()
                if checked[name] < least
            ),
        ]

    def _base(self, host: Mapping[str, Any]) -> Base:
        return Base(self._httpd_settings, self._applications, host, str(self._mod_wsgi_settings["mod_wsgi_python"]))

    @property
    def _httpd_host(self) -> Mapping[str, Any]:
        """The fact of this play, else of an earlier one; the role httpd comes before the others."""
        found = self.result.get("httpd_host") or self.variables.get("httpd_host")
        if not found:
            raise PreflightError(
                f"Nothing is known of host {self.host} yet; apply the role modwsgi.deploy.httpd first."
            )
        known: Mapping[str, Any] = found
        return known

    @property
    def _foreign(self) -> Mapping[str, Any]:
        """The sites of others; nothing where the server is not known."""
        host = self.result.get("httpd_host") or self.variables.get("httpd_host") or {}
        found: Mapping[str, Any] = host.get("foreign") or {}
        return found

    # -- the server ---------------------------------------------------------------------------------------------------

    def _httpd(self) -> None:
        described = self._base({}).instance
        module = MOD_WSGI in self.roles
        answer = self._server_answer(described, self._mod_wsgi_questions(described) if module else {})
        host = answer["host"]
        self._decide(host)
        base = self._base(host)
        self._refuse(base.problems(self.host, self._mod_wsgi_settings["mod_wsgi_python"]))
        self.result |= {
            "httpd_host": host,
            "missing_packages": answer["missing_packages"],
            "httpd_files": base.files(),
            "notes": base.notes(self.host),
        }

    def _server_answer(self, described: Mapping[str, str], module: Mapping[str, Any]) -> dict[str, Any]:
        """The checked answer of httpd_preflight; asked once in a play."""
        checked = self._httpd_settings
        packages = httpd_base.packages(self._applications, checked)
        questions = {
            "instance": described["name"],
            "host": self.host,
            "listen": [str(entry) for entry in checked["httpd_listen"]],
            "private_port": checked["httpd_private_port"],
            "packages": packages,
            "foreign_sites": checked["httpd_foreign_sites"],
            "replaced": httpd_base.replaced(checked),
            **self._certificates_to_look_at(described),
        }
        asked = self.result["asked"].get(HTTPD)
        if asked and asked["questions"] == questions:
            found: dict[str, Any] = asked["answer"]
            return found
        told = self.ask("httpd_preflight", {**questions, **({"mod_wsgi": dict(module)} if module else {})})
        answer = host_answers.preflight_answer(told, packages, self.host)
        if module:
            self._remember(MOD_WSGI, module, answer.pop("mod_wsgi", None))
        self._remember(HTTPD, questions, answer)
        return answer

    def _certificates_to_look_at(self, described: Mapping[str, str]) -> dict[str, Any]:
        """The files of the applications depend on their certificates, so these are asked for first."""
        if WSGI_APP not in self.roles or not any(each.get("tls") for each in self._applications):
            return {}
        # The names and the paths, which no size changes.
        size = {
            **dict.fromkeys((*daemon.SIZES, "listen_backlog"), 1),
            "module_version": self._mod_wsgi_settings["mod_wsgi_version"],
        }
        sizes = {str(each["name"]): size for each in self._applications}
        complete = apps.normalise(self._written_applications, self._httpd_settings["httpd_listen"], sizes, described)
        return {"certificates": wsgi_certificates.wanted(complete, described["state_directory"])}

    def _remember(self, what: str, questions: Mapping[str, Any], answer: Any) -> None:
        self.result["asked"] = {**self.result["asked"], what: {"questions": dict(questions), "answer": answer}}

    # -- the module ---------------------------------------------------------------------------------------------------

    def _mod_wsgi_questions(self, described: Mapping[str, str]) -> dict[str, Any]:
        checked = self._mod_wsgi_settings
        return {
            "python": checked["mod_wsgi_python"],
            "version": checked["mod_wsgi_version"],
            "install_method": checked["mod_wsgi_install_method"],
            "build_record": described["build_record"],
        }

    def _plan_settings(self, foreign: Mapping[str, Any]) -> dict[str, Any]:
        checked = self._mod_wsgi_settings
        builder = str(checked["mod_wsgi_build_on"]).removeprefix("host:")
        return {
            **{name: checked[f"mod_wsgi_{name}"] for name in MODULE_SETTINGS},
            "host": self.host,
            "build_host_known": builder in self.variables["groups"]["all"],
            "foreign": foreign,
        }

    def _mod_wsgi(self) -> None:
        described = self._base({}).instance
        inspection = self._interpreter_answer(self._mod_wsgi_questions(described))
        wanted = self._plan_settings(self._foreign)
        plan = mod_wsgi_plan.plan(wanted, inspection)
        self._refuse([plan["problem"]] if plan["problem"] else [])
        record = mod_wsgi_plan.record(wanted, inspection, plan)
        self.result |= {
            "mod_wsgi_interpreter": inspection["interpreter"],
            "mod_wsgi_inspection": inspection,
            "mod_wsgi_plan": plan,
            "mod_wsgi_record": record,
            "mod_wsgi_files": self._module_files(plan["installation"] or record),
        }

    def _module_files(self, installation: Mapping[str, Any]) -> list[dict[str, Any]]:
        """The files of the role mod_wsgi for an installation."""
        checked = self._mod_wsgi_settings
        return mod_wsgi_plan.files(
            installation,
            self._base({}).instance,
            checked["mod_wsgi_destroy_interpreter"],
            checked["mod_wsgi_directives"],
            checked["mod_wsgi_reload_drain_timeout"],
            bool(self._foreign),
        )

    def _interpreter_answer(self, questions: Mapping[str, Any]) -> dict[str, Any]:
        asked = self.result["asked"].get(MOD_WSGI)
        answer: dict[str, Any]
        if not asked or asked["questions"] != questions:
            told = self.ask("mod_wsgi_interpreter", {**questions, "host": self.host})
            answer = {"answer": host_answers.interpreter_answer(told, self.host)}
            self._remember(MOD_WSGI, questions, answer)
        else:
            answer = asked["answer"]
        self._refuse([answer["problem"]] if "problem" in answer else [])
        found: dict[str, Any] = answer["answer"]
        return found

    # -- the applications ---------------------------------------------------------------------------------------------

    def _wsgi_app(self) -> None:
        self._decide(self._httpd_host)
        base = self._base(self._httpd_host)
        if not base.instance["unit"]:
            raise PreflightError(
                f"httpd_instance of host {self.host} is {base.instance['name']}, which serves one application that "
                "its image brings; remove the role wsgi_app from the play."
            )
        self._refuse(self._problems_of_module(base))
        self._refuse(self._problems_of_server())
        everything = self._complete_applications(base)
        applications = [each for each in everything if each["name"] in (self._only or [each["name"]])]
        others = [each for each in everything if each not in applications]
        certificates = wsgi_certificates.wanted(applications, base.instance["state_directory"])
        launcher = files.launcher_text() + role_file("wsgi_app", "loading.py")
        digest = hashlib.sha256(launcher.encode()).hexdigest()
        checked = self._wsgi_app_settings
        # Before the host is asked: playbooks/verify.yml goes on with it where the host is not fit.
        self.result |= {
            "wsgi_app_applications": applications,
            "wsgi_app_builder": venv_builder.builder_of(checked["wsgi_build_on"], self.host),
            "wsgi_app_certificates": certificates,
            "wsgi_app_launcher": digest,
            "wsgi_app_only": bool(self._only),
            "wsgi_app_others": others,
        }
        with_digests, _ = source.examine_all(applications)
        answer = self.ask(
            "wsgi_inspect",
            {
                "applications": with_digests,
                "environments": encoded(environments(self._applications)),
                "certificates": certificates,
                "interpreter": self.result["mod_wsgi_interpreter"],
                "launcher": digest,
                "configuration": self._shared_files(),
                "credentials": encoded(site_source.credentials(self._applications)),
                "build_timeout": checked["wsgi_app_build_timeout"],
                "build_size": checked["wsgi_app_build_size"],
                "instance": base.instance["name"],
                "module_version": self.result["mod_wsgi_record"]["version"],
                "release_again": checked["wsgi_release_again"],
                **self._about_others(everything, certificates, base),
                **self._live(everything, base),
            },
        )
        names = [*(application["name"] for application in everything), wsgi_certificates.UNKNOWN_HOST]
        self.result["wsgi_app_inspection"] = host_answers.inspection_answer(answer, STEPS, names, self.host)
        limits = apps.limit_notes(everything, self.host)
        notes = [*self.result["notes"], *apps.notes(self._applications), *limits, *apps.left_out(others)]
        self.result["notes"] = list(dict.fromkeys(notes))  # a plan that is made again has them already

    @property
    def _only(self) -> list[str]:
        """Names of the applications that this run is for; empty: all."""
        return list(self._wsgi_app_settings["wsgi_only"])

    def _problems_of_server(self) -> list[str]:
        """What a run for some applications alone does not do, since it is for all."""
        if not self._only:
            return []
        plan, packages = self.result["mod_wsgi_plan"], self.result.get("missing_packages") or []
        what = [f"the packages {', '.join(packages)} are missing"] if packages else []
        what += ["mod_wsgi is not installed as the inventory says"] if plan["action"] != "none" else []
        return [
            f"On host {self.host}, {each}, which concerns all applications; run site.yml without wsgi_only first."
            for each in what
        ]

    def _shared_files(self) -> dict[str, Any]:
        """Files that all applications share, by role, which are to be checked against the host."""
        found = {HTTPD: self.result["httpd_files"], MOD_WSGI: self.result["mod_wsgi_files"]}
        return {**found, **({WSGI_APP: files.helper_files()} if self._only else {})}

    def _about_others(
        self, everything: list[dict[str, Any]], certificates: list[dict[str, Any]], base: Base
    ) -> dict[str, Any]:
        """What else is asked where the run is for some applications alone."""
        if not self._only:
            return {}
        wanted = wsgi_certificates.wanted(everything, base.instance["state_directory"])
        return {"only": True, "other_certificates": [each for each in wanted if each not in certificates]}

    def _live(self, everything: list[dict[str, Any]], base: Base) -> dict[str, Any]:
        """By what the host proves that all is well, where it may turn out that the run has nothing to do."""
        server, instance = self._httpd_settings, base.instance
        has_work = self.result.get("missing_packages") or self.result["mod_wsgi_plan"]["action"] != "none"
        if not self.prove or self._only or has_work:
            return {}
        there = self.result["asked"].get(HTTPD, {}).get("answer", {}).get("certificates", {})
        logging = {"format": server["httpd_log_format"], "destination": server["httpd_log_destination"]}
        port = server["httpd_private_port"]
        ordered = sorted(everything, key=lambda each: str(each["name"]))
        live = {
            "files": files.files(ordered, instance, there, logging, port, self._foreign),
            "sensitive_files": encoded(user_files(self._applications)),
            "foreign": self._foreign,
            "certificates": there,
            "manage_service": server["httpd_manage_service"],
            "reap_stuck_children": server["httpd_reap_stuck_children"],
            "site": site(self.result, self._mod_wsgi_settings, instance, port),
        }
        return {"live": live}

    def _problems_of_module(self, base: Base) -> list[str]:
        """What the applications ask of mod_wsgi and httpd that the host will not have."""
        checked = self._mod_wsgi_settings
        server = {
            "version": self._module_version(base),
            "install_method": checked["mod_wsgi_install_method"],
            "host": base.host,
            "directives": checked["mod_wsgi_directives"],
        }
        return [
            *apps.module_problems(self._applications, server),
            *httpd_foreign.application_problems(base.foreign, self._applications),
        ]

    def _module_version(self, base: Base) -> str:
        checked = self._mod_wsgi_settings
        return daemon.module_version(checked["mod_wsgi_version"], checked["mod_wsgi_install_method"], base.host)

    def _has_control_groups(self, base: Base) -> bool:
        """Whether applications get some of their own; beside sites of others the unit stays as it is."""
        wanted = self._wsgi_app_settings["wsgi_app_control_groups"] and not base.foreign
        return bool(wanted and base.instance["unit"] and base.host.get("control_groups"))

    def _complete_applications(self, base: Base) -> list[dict[str, Any]]:
        """The complete form of ``wsgi_apps``, without the environment variables: modules may log it.

        How many requests may wait for each application is a part of httpd's workers.
        """
        overrides = {key: self._httpd_settings[f"httpd_{key}"] for key in ("max_request_workers", "threads_per_child")}
        sizes = sizing.sizes(base.host["cores"], base.host["memory_mebibytes"], self._applications, overrides, base.mpm)
        listen = self._httpd_settings["httpd_listen"]
        of_host = {"module_version": self._module_version(base), "control_groups": self._has_control_groups(base)}
        places = {name: {**own, **of_host} for name, own in sizes["applications"].items()}
        complete = apps.normalise(self._written_applications, listen, places, base.instance)
        return apps.without_environments(complete)


def site(
    planned: Mapping[str, Any], module: Mapping[str, Any], described: Mapping[str, str], private_port: int
) -> dict[str, Any]:
    """By what the applications are proven, as ``__wsgi_app_site`` of the role is.

    ``planned`` is the result of a preflight, ``module`` the settings of the role mod_wsgi, ``described`` the instance.
    """
    is_package = module["mod_wsgi_install_method"] == "package"
    return {
        "applications": planned["wsgi_app_applications"],
        "private_port": private_port,
        "python_version": planned["mod_wsgi_interpreter"]["full_version"],
        "python_prefix": planned["mod_wsgi_interpreter"]["prefix"],
        "mod_wsgi_version": "" if is_package else module["mod_wsgi_version"],
        "log_directory": described["log_directory"],
    }
