# SPDX-License-Identifier: Apache-2.0
"""What `playbooks/verify.yml` says of a host: the plan of the preflight, in words, and what the host sees itself.

On the control node only. What a deployment would change is a finding.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from ansible_collections.modwsgi.deploy.plugins.module_utils.instance import instance
from ansible_collections.modwsgi.deploy.plugins.plugin_utils import host_answers, settings
from ansible_collections.modwsgi.deploy.plugins.plugin_utils.preflight import (
    HTTPD,
    MOD_WSGI,
    ROLES,
    WSGI_APP,
    Ask,
    Preflight,
    PreflightError,
    site,
)
from ansible_collections.modwsgi.deploy.plugins.plugin_utils.site.files import files
from ansible_collections.modwsgi.deploy.plugins.plugin_utils.written import encoded, user_files

Entry = dict[str, str]

REFUSED = "site.yml would refuse this host, so what it would change is not known"

OF_SWITCH = {
    "files": "its files or links below /etc/wsgi and /srv/wsgi were changed",
    "processes": "processes of an earlier release were not replaced",
}
"""What a switch is for that changes no part of a deployment."""


def verify(host: str, variables: Mapping[str, Any], ask: Ask, certificate_days: int) -> dict[str, list[Entry]]:
    """What is wrong with a host, and what is well: ``findings`` and ``verified``. Never raises PreflightError.

    ``variables`` are those of the play, templated where a role declares them.
    """
    found: dict[str, list[Entry]] = {"findings": [], "verified": []}
    variables = {**variables, "wsgi_only": []}  # the host is looked at as a whole
    preflight = Preflight(ROLES, host, variables, ask)
    try:
        preflight.run()
    except PreflightError as error:
        found["findings"].append(_entry("preflight", f"{REFUSED}: {error}"))
    planned = preflight.result
    found["findings"] += list(_due(planned))
    if "wsgi_app_inspection" in planned and not found["findings"]:
        version, full = planned["mod_wsgi_record"]["version"], planned["mod_wsgi_interpreter"]["full_version"]
        found["verified"].append(
            _entry("releases", f"releases, Python {full} and mod_wsgi {version} as in the inventory")
        )
    try:
        options = {**_options(variables, planned), "certificate_days": certificate_days}
    except ValueError as error:
        if not any(entry["subject"] == "preflight" for entry in found["findings"]):  # that has told it
            found["findings"].append(_entry("host", f"The host was not looked at: {error}"))
        return found
    try:
        names = [str(each["name"]) for each in planned.get("wsgi_app_applications", [])]
        names += [str(each["name"]) for each in planned.get("wsgi_app_certificates", [])]
        seen = host_answers.verification_answer(ask("wsgi_verify", options), names, host)
    except (PreflightError, ValueError) as error:
        found["findings"].append(_entry("host", f"The host cannot be looked at: {error}"))
    else:
        for key in found:
            found[key] += seen[key]
    found["findings"] = _without_repetition(found["findings"])
    return found


def _entry(subject: str, text: str, application: str = "") -> Entry:
    return {"subject": subject, "application": application, "text": " ".join(text.split())}


def _without_repetition(entries: list[Entry]) -> list[Entry]:
    """What the preflight refuses, such as a certificate, the host tells with its subject and application."""
    texts = [entry["text"] for entry in entries if entry["subject"] != "preflight"]
    return [
        _entry("preflight", f"{REFUSED}; correct what is told below.")
        if entry["subject"] == "preflight" and any(text in entry["text"] for text in texts)
        else entry
        for entry in entries
    ]


def _due(planned: Mapping[str, Any]) -> Iterator[Entry]:
    """What a deployment would do before it goes live."""
    inspection = planned.get("mod_wsgi_inspection", {})
    missing = sorted({*planned.get("missing_packages", ()), *inspection.get("missing_packages", ())})
    if missing:
        yield _entry("packages", f"The packages {', '.join(missing)} are not installed; run site.yml.")
    if planned.get("mod_wsgi_plan", {}).get("action", "none") != "none":
        wanted, python = planned["mod_wsgi_record"]["version"], planned["mod_wsgi_interpreter"]["executable"]
        yield _entry("module", f"mod_wsgi {wanted} for {python} is not installed as the inventory says; run site.yml.")
    if inspection.get("build_tools_recorded"):
        yield _entry("packages", "Build tools of a run that was cut off are still installed; run site.yml.")
    for entry in planned.get("wsgi_app_inspection", {}).get("due", ()):
        yield _entry(entry["step"], _sentence(entry["step"], entry["name"], entry["what"]), entry["name"])


def _sentence(step: str, name: str, what: str) -> str:
    """A step of a deployment that has something to do."""
    doing = what[:1].lower() + what[1:]
    sentences = {
        "accounts": f"Accounts or folders are not as they were made: site.yml would {doing}; run it.",
        "packages": f"The packages of the applications are not as the inventory says: site.yml would {doing}; run it.",
        "releases": f"The release of {name} that the inventory asks for is not on the host; run site.yml.",
        "venvs": f"The virtual environment of {name} that its release needs is missing or incomplete; run site.yml.",
        "maintenance": f"site.yml would {what} the maintenance page of {name}; run it.",
        "certificates": f"The self-made certificate of {name} is missing, ends soon or has other names; run site.yml.",
        "switch": f"{name} does not run as the inventory says: {OF_SWITCH.get(what, f'{what} would change')}; "
        "run site.yml.",
    }
    return sentences[step]


def _options(variables: Mapping[str, Any], planned: Mapping[str, Any]) -> dict[str, Any]:
    """The options of the module, as far as the preflight has come. Raises SettingsError, and ValueError."""
    server = settings.checked(HTTPD, variables)
    described = instance(server["httpd_instance"])
    configuration = {role: planned[key] for role, key in _FILES.items() if key in planned}
    options: dict[str, Any] = {
        "instance": described["name"],
        "listen": [str(entry) for entry in server["httpd_listen"]],
        "private_port": server["httpd_private_port"],
        "manage_service": server["httpd_manage_service"],
        "reap_stuck_children": server["httpd_reap_stuck_children"],
        "foreign": planned.get("httpd_host", {}).get("foreign", {}),
        "certificates": planned.get("wsgi_app_certificates", []),
    }
    if "wsgi_app_applications" in planned:
        module = settings.checked(MOD_WSGI, variables)
        options["site"] = site(planned, module, described, server["httpd_private_port"])
    # Without the certificates, of which the inspection tells, the vhosts are not known.
    if "wsgi_app_inspection" in planned:
        configuration[WSGI_APP] = files(
            planned["wsgi_app_applications"],
            described,
            planned["wsgi_app_inspection"]["certificates"],
            {"format": server["httpd_log_format"], "destination": server["httpd_log_destination"]},
            server["httpd_private_port"],
            options["foreign"],
        )
        options["sensitive_files"] = encoded(user_files(settings.applications(variables.get("wsgi_apps") or [])))
    return {**options, "configuration": configuration}


_FILES = {HTTPD: "httpd_files", MOD_WSGI: "mod_wsgi_files"}
"""The set of files of a role, in the plan."""


def told(host: str, found: Mapping[str, list[Entry]]) -> str:
    """What is wrong, a line each; or in one line what was verified."""
    if found["findings"]:
        return "\n".join(f"{host}: {entry['text']}" for entry in found["findings"])
    return f"{host} is what the inventory says: {'; '.join(map(_words, found['verified']))}."


def _words(entry: Entry) -> str:
    return f"{entry['application']} {entry['text']}" if entry["application"] else entry["text"]


def only(subject: str, text: str) -> dict[str, list[Entry]]:
    """What is known of a host of which nothing else is known."""
    return {"findings": [_entry(subject, text)], "verified": []}
