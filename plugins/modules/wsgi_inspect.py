#!/usr/bin/python
# SPDX-License-Identifier: Apache-2.0
"""Say which steps of a deployment have something to do, and refuse what can be refused before them."""

from __future__ import annotations

DOCUMENTATION = r"""
---
module: wsgi_inspect
short_description: What a host lacks for its WSGI applications
version_added: 0.2.0
author: The modwsgi.deploy maintainers (@modwsgi)
description:
  - Looks at accounts, releases, virtual environments, certificates and deployments, and says which steps of a
    deployment have something to do. Those that have nothing to do need no module of their own.
  - Refuses what can be refused before anything is changed - an account that is root, a certificate that cannot be used,
    a source or a repository that cannot be read, a file of others where one of ours is to be,
    a release from which somebody has gone back on the host.
  - Changes nothing. While the change of an earlier run is not proven, all steps are named.
  - Where nothing is left to do, proves with O(live) that the applications are well, so that a run without a change
    needs no further module.
  - M(modwsgi.deploy.preflight) runs it; each application whose source is on the control node has its C(digest).
options:
  configuration:
    description: >-
      Sets of files that are to go live, by owner, as for O(modwsgi.deploy.wsgi_go_live#module:together_with).
      They are checked against the host.
    type: dict
    default: {}
  release_again:
    description: Whether a release may come again from which somebody has gone back on the host.
    type: bool
    default: false
  only:
    description:
      - Whether the deployment is for O(applications) alone. Then it is refused where an earlier change is not proven,
        or a file of O(configuration) is not as it is to be, since all applications share these.
    type: bool
    default: false
  other_certificates:
    description: With O(only), the certificates of the others; one that cannot be used is passed over.
    type: list
    elements: dict
    default: []
  module_version:
    description: The version of mod_wsgi that is to be loaded; V("") when it is not known.
    type: str
    default: ""
  live:
    description:
      - What is to be live, and by what it is proven. Without it nothing is proven.
      - In check mode no application is asked.
    type: dict
    suboptions:
      files:
        description: The set of files of the applications, as O(modwsgi.deploy.wsgi_go_live#module:files).
        type: list
        elements: dict
        required: true
      sensitive_files:
        description: As O(modwsgi.deploy.wsgi_go_live#module:sensitive_files).
        type: str
      foreign:
        description: As O(modwsgi.deploy.wsgi_go_live#module:foreign).
        type: dict
        default: {}
      certificates:
        description: With what the files were made; nothing is proven when RV(certificates) is something else.
        type: dict
        default: {}
      manage_service:
        description: As O(modwsgi.deploy.wsgi_go_live#module:manage_service).
        type: bool
        default: true
      reap_stuck_children:
        description: As O(modwsgi.deploy.httpd_service#module:reap_stuck_children).
        type: bool
      site:
        description: As O(modwsgi.deploy.wsgi_go_live#module:site).
        type: dict
        required: true
        suboptions:
          applications:
            description: As O(modwsgi.deploy.wsgi_go_live#module:site.applications).
            type: list
            elements: dict
            required: true
          private_port:
            description: As O(modwsgi.deploy.wsgi_go_live#module:site.private_port).
            type: int
            required: true
          python_version:
            description: As O(modwsgi.deploy.wsgi_go_live#module:site.python_version).
            type: str
            required: true
          python_prefix:
            description: As O(modwsgi.deploy.wsgi_go_live#module:site.python_prefix).
            type: str
            required: true
          mod_wsgi_version:
            description: As O(modwsgi.deploy.wsgi_go_live#module:site.mod_wsgi_version).
            type: str
            default: ""
          log_directory:
            description: As O(modwsgi.deploy.wsgi_go_live#module:site.log_directory).
            type: path
            required: true
extends_documentation_fragment:
  - modwsgi.deploy.deployment.applications
  - modwsgi.deploy.deployment.build
  - modwsgi.deploy.deployment.certificates
  - modwsgi.deploy.deployment.certificates_of_applications
  - modwsgi.deploy.deployment.environments
  - modwsgi.deploy.deployment.instance
  - modwsgi.deploy.deployment.interpreter
attributes:
  check_mode:
    description: Reads only, and asks no application.
    support: full
"""

EXAMPLES = r"""
- name: It is known what the host lacks
  modwsgi.deploy.wsgi_inspect:
    applications: "{{ applications }}"
    environments: "{{ environments | to_json | b64encode }}"
    interpreter: "{{ mod_wsgi_interpreter }}"
    launcher: "{{ lookup('ansible.builtin.file', 'launcher.py') | hash('sha256') }}"
  register: inspection
"""

RETURN = r"""
steps:
  description: >-
    The steps that have something to do, of V(accounts), V(packages), V(releases), V(venvs), V(maintenance),
    V(preparation), V(certificates), V(switch), V(upgrade). The last one is due when mod_wsgi goes from another major
    version to 6.
  returned: success
  type: list
  elements: str
due:
  description:
    - What exactly is to be done, apart from what follows from it. Each has the C(step), the C(name) of the application
      or V(""), and C(what) in words or V("").
    - Of a V(switch) these are the parts of the deployment that differ, V(files) when it is the same and its files or
      links were changed, or V(processes) when earlier ones were not replaced.
  returned: success
  type: list
  elements: dict
git:
  description: Whether git is installed.
  returned: success
  type: bool
once:
  description: For each application with such release commands, the digest of what they have prepared on this host last.
  returned: success
  type: dict
releases:
  description: For each application its release, as of M(modwsgi.deploy.wsgi_release) in check mode.
  returned: success
  type: dict
venvs:
  description: For each application its virtual environment, as of M(modwsgi.deploy.wsgi_venv) in check mode.
  returned: success
  type: dict
certificates:
  description: Those that are there, as of M(modwsgi.deploy.httpd_certificates).
  returned: success
  type: dict
proven:
  description: >-
    C(applications) and C(awaited_certificates) as M(modwsgi.deploy.wsgi_go_live) returns them, which then has nothing
    to do, nor to find out.
  returned: when O(live) is as it is to be, and well
  type: dict
"""

import os
import shutil
from collections.abc import Iterable, Iterator
from typing import Any

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.modwsgi.deploy.plugins.module_utils.deploy import (
    locales,
    maintenance,
    packages,
    published,
    refused,
    standing,
    upgrade,
)
from ansible_collections.modwsgi.deploy.plugins.module_utils.deploy.account import AccountError, Accounts
from ansible_collections.modwsgi.deploy.plugins.module_utils.deploy.builder import OPTIONS
from ansible_collections.modwsgi.deploy.plugins.module_utils.deploy.record import (
    COMMAND_PARTS,
    decode_environments,
    differing,
    prepared_once,
)
from ansible_collections.modwsgi.deploy.plugins.module_utils.deploy.release import ReleaseError, release_of
from ansible_collections.modwsgi.deploy.plugins.module_utils.deploy.switch import Switch
from ansible_collections.modwsgi.deploy.plugins.module_utils.deploy.venv import VenvError, virtual_environments
from ansible_collections.modwsgi.deploy.plugins.module_utils.httpd import certificates as httpd_certificate_files
from ansible_collections.modwsgi.deploy.plugins.module_utils.httpd import log_files, transaction
from ansible_collections.modwsgi.deploy.plugins.module_utils.httpd.certificates import CertificateError
from ansible_collections.modwsgi.deploy.plugins.module_utils.httpd.config import restart_notice
from ansible_collections.modwsgi.deploy.plugins.module_utils.httpd.file_sets.model import TransactionError, checked_sets
from ansible_collections.modwsgi.deploy.plugins.module_utils.httpd.file_sets.plan import Comparison
from ansible_collections.modwsgi.deploy.plugins.module_utils.httpd.journal import JournalError
from ansible_collections.modwsgi.deploy.plugins.module_utils.instance import UnknownInstanceError, instance


def inspect(parameters: dict[str, Any], described: dict[str, str], ask: bool = False) -> dict[str, Any]:
    """What the module returns, and ``notices``. Raises the errors of what it looks at.

    ``ask``: whether applications may be asked.
    """
    sets, _ = log_files.separate(checked_sets(parameters["configuration"]))
    comparison = Comparison(described, sets, predict=True)  # refuses what can be refused
    journal = transaction.journal_of(described)
    unproven = journal.open or journal.interrupted
    if parameters["only"]:
        refuse_what_concerns_all(comparison, unproven)
    applications = parameters["applications"]
    environments = decode_environments(parameters["environments"])
    missing = [
        *locales.problems(applications, environments),
        *published.problems(applications, described["user"], published.hides_homes(parameters["configuration"])),
    ]
    if missing:
        raise ValueError(" ".join(missing))
    accounts = Accounts(check_mode=True, server_user=described["user"])
    accounts.ensure(applications)
    to_make, certificates = httpd_certificate_files.examine(parameters["certificates"])
    releases = {application["name"]: release_of(application, True, parameters) for application in applications}
    venvs = virtual_environments(applications, {**parameters, "releases": releases}, check_mode=True)
    chosen = {"releases": releases, "venvs": venvs, "launcher": parameters["launcher"]}
    switches = [Switch(each, environments.get(each["name"], {}), chosen, described) for each in applications]
    gone_back = of_rollbacks(switches, parameters["release_again"])
    missing_packages = packages.due(applications, described)
    due = {
        "accounts": bool(accounts.changes),
        "packages": bool(missing_packages),
        "releases": any(release["changed"] for release in releases.values()),
        "venvs": any(venv["changed"] for venv in venvs.values()),
        "maintenance": any(maintenance.is_due(application, releases) for application in applications),
        "preparation": any(differing(switch.deployment, switch.record, COMMAND_PARTS) for switch in switches),
        "certificates": len(certificates) < len(parameters["certificates"]),
        "switch": any(switch.changes() or switch.record.get("stale_processes") for switch in switches),
        "upgrade": upgrade.is_upgrade(described["facts_file"], parameters["module_version"]),
    }
    # What is there may be undone before the next step.
    steps = [step for step, is_due in due.items() if is_due or unproven]
    # One that is away from its load balancer has to come back, so it has a turn in its fleet.
    may_stand = not steps and not os.path.exists(described["away_file"])
    proof = proven(parameters, certificates, described, ask) if may_stand else {}
    return {
        "steps": steps,
        "due": [
            *of_host("accounts", accounts.changes),
            *of_host("packages", missing_packages),
            *({"step": "releases", "name": name, "what": ""} for name, each in releases.items() if each["changed"]),
            *({"step": "venvs", "name": name, "what": ""} for name, each in venvs.items() if each["changed"]),
            *({"step": "certificates", "name": entry["name"], "what": ""} for entry in to_make),
            *(entry for application in applications for entry in of_page(application, releases)),
            *(entry for switch in switches for entry in of_switch(switch)),
        ],
        "git": bool(shutil.which("git")),
        "once": {each["name"]: prepared_once(each["paths"]) for each in applications if each.get("once")},
        "releases": releases,
        "venvs": venvs,
        "certificates": {**httpd_certificate_files.usable(parameters["other_certificates"]), **certificates},
        **proof,
        "notices": [
            *gone_back,
            # With ``only``, nothing of these files changes.
            *([] if parameters["only"] or proof else of_restart(parameters, described, comparison)),
            *accounts.warnings,
            *published.absent(applications),
        ],
    }


def of_restart(parameters: dict[str, Any], described: dict[str, str], comparison: Comparison) -> list[str]:
    """Why httpd is to be restarted, in a sentence; for files of the applications, too, where they are known.

    Raises TransactionError.
    """
    live = parameters["live"]
    return restart_notice(standing.comparison(live, parameters["configuration"], described)[0] if live else comparison)


def proven(
    parameters: dict[str, Any], certificates: dict[str, Any], described: dict[str, str], ask: bool
) -> dict[str, Any]:
    """The proof that a run without a change ends with; nothing where that is not such a run."""
    live = parameters["live"]
    if not live or live["certificates"] != certificates:
        return {}
    found = standing.proof(live, parameters["configuration"], described, ask)
    return {"proven": found} if found else {}


def of_rollbacks(switches: Iterable[Switch], again: bool) -> list[str]:
    """What is to be told of applications that were rolled back by hand. Raises ValueError where that must not end."""
    notices, refusals = [], []
    for switch in switches:
        found, release = refused.read_refused(switch.paths), switch.release["id"]
        if found and release and release != switch.record.get("release"):
            refusals.append(refused.refusal(switch.application, release, found, again))
            notices.append(refused.notice(switch.application, release, found))
    if any(refusals):
        raise ValueError(" ".join(filter(None, refusals)))
    return list(filter(None, notices))


def refuse_what_concerns_all(comparison: Comparison, unproven: bool) -> None:
    """A run for some applications alone takes the server as it is. Raises ValueError."""
    if unproven:
        raise ValueError(
            "A change of an earlier run is not proven on this host, and it may concern all applications; run site.yml "
            "without wsgi_only first."
        )
    # Of the applications, only what they share was given.
    shared = [path for plan in comparison.plans for path in plan.desired]
    differing = [
        change.path
        for plan in comparison.plans
        for change in plan.changes()
        if plan.owner != "wsgi_app" or change.path in shared
    ]
    if differing:
        further = f" and {len(differing) - 3} more" if len(differing) > 3 else ""
        raise ValueError(
            f"{', '.join(differing[:3])}{further} {'are' if differing[1:] else 'is'} not as the inventory and this "
            "version of the collection say, which concerns all applications; run site.yml without wsgi_only first."
        )


def of_host(step: str, sentences: Iterable[str]) -> Iterator[dict[str, str]]:
    """What is due for all applications together."""
    return ({"step": step, "name": "", "what": what} for what in sentences)


def of_page(application: dict[str, Any], releases: dict[str, Any]) -> Iterator[dict[str, str]]:
    """A maintenance page that is not as it is to be; one that only a new release makes due follows from that."""
    shown = maintenance.wanted(application, releases)
    if not maintenance.is_replaced(application, releases) and maintenance.switch(application, shown, check_mode=True):
        yield {"step": "maintenance", "name": application["name"], "what": "show" if shown else "hide"}


def of_switch(switch: Switch) -> Iterator[dict[str, str]]:
    """In what a deployment differs, and processes of an earlier one that were to go."""
    parts = switch.changes() or (["processes"] if switch.record.get("stale_processes") else [])
    if parts:
        yield {"step": "switch", "name": switch.application["name"], "what": ", ".join(parts)}


def main() -> None:
    """Run the module."""
    module = AnsibleModule(
        argument_spec={
            "applications": {"type": "list", "elements": "dict", "required": True},
            "environments": {"type": "str", "required": True, "no_log": True},
            "certificates": {
                "type": "list",
                "elements": "dict",
                "default": [],
                "options": httpd_certificate_files.ENTRY_OPTIONS,
            },
            "other_certificates": {"type": "list", "elements": "dict", "default": []},
            "only": {"type": "bool", "default": False},
            "interpreter": {"type": "dict", "required": True},
            "launcher": {"type": "str", "required": True},
            "configuration": {"type": "dict", "default": {}},
            "instance": {"type": "str", "default": "apache2"},
            "module_version": {"type": "str", "default": ""},
            "release_again": {"type": "bool", "default": False},
            "live": {"type": "dict", "options": standing.OPTIONS},
            **OPTIONS,
        },
        supports_check_mode=True,
    )
    try:
        result = inspect(module.params, instance(module.params["instance"]), ask=not module.check_mode)
    except (
        AccountError,
        CertificateError,
        JournalError,
        ReleaseError,
        TransactionError,
        UnknownInstanceError,
        VenvError,
        ValueError,
    ) as error:
        module.fail_json(msg=str(error))
    except OSError as error:
        module.fail_json(msg=f"The host cannot be looked at: {error}; become root, or correct the host.")
    for sentence in result.pop("notices"):
        module.warn(sentence)
    module.exit_json(changed=False, **result)


if __name__ == "__main__":
    main()
