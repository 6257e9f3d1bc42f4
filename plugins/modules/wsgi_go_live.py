#!/usr/bin/python
# SPDX-License-Identifier: Apache-2.0
"""Put prepared WSGI applications live, and prove it."""

from __future__ import annotations

DOCUMENTATION = r"""
---
module: wsgi_go_live
short_description: Put WSGI applications live together with their configuration, and prove that they run
version_added: 0.2.0
author: The modwsgi.deploy maintainers (@modwsgi)
description:
  - The end of a deployment, when releases and virtual environments are ready; one module, since each costs a second.
  - Puts the configuration of server, module and applications live as M(modwsgi.deploy.httpd_config) does.
  - Then makes the releases the current ones, as a second step of the same journal - writes the applications' files,
    swaps the links C(current) and C(venv), records the deployment with the daemon processes of the earlier one.
  - Lets httpd serve it as M(modwsgi.deploy.httpd_service) does, has daemon processes replaced by
    SIGUSR1, and asks the probe and the health path of each application.
  - When all are well, each release is recorded for M(modwsgi.deploy.wsgi_rollback), as a last step of the journal. The
    record has environment variables, and only root can read it.
  - Then the change is committed as by M(modwsgi.deploy.httpd_transaction), maintenance pages that are not
    asked for go, and so do releases that nobody will go back to.
  - When a step fails, those after it are left out, and C(unproven) says whether M(modwsgi.deploy.httpd_transaction) has
    a change to roll back.
options:
  files:
    description: The complete set of files of the applications. The action on the control node renders those not given.
    type: list
    elements: dict
    required: true
  certificates:
    description: For the action, RV(modwsgi.deploy.httpd_certificates#module:certificates).
    type: dict
  logging:
    description: For the action, C(format) and C(destination) of the logs, as the role httpd has them.
    type: dict
  sensitive_files:
    description:
      - More files of the set, as JSON in Base64, each with C(path) and C(content); one opaque value that no log shows.
      - They belong to root and to httpd's group, mode 0640.
    type: str
  together_with:
    description:
      - The complete sets of other owners, which go live in the same transaction, by owner.
      - Each is a list like O(files).
    type: dict
    default: {}
  foreign:
    description: As O(modwsgi.deploy.httpd_config#module:foreign).
    type: dict
    default: {}
  manage_service:
    description: Whether httpd is started, reloaded and asked; otherwise only files and links are put in place.
    type: bool
    default: true
  reap_stuck_children:
    description: As O(modwsgi.deploy.httpd_service#module:reap_stuck_children).
    type: bool
  site:
    description: By what the applications are proven, now and after a return to them.
    type: dict
    required: true
  maintenance:
    description: Whether maintenance pages that were shown for the deployment have to go.
    type: bool
    default: false
  by:
    description: Who deploys, for the records of the releases. The action on the control node knows it.
    type: str
    default: ""
  hold:
    description:
      - Whether a change waits for the turn of the host in its fleet. Then nothing is done where something would change,
        and C(held) says so. Where nothing would, all is as without it.
    type: bool
    default: false
  keep_releases:
    description: How many releases of each application stay on the host, the current one included.
    type: int
    required: true
  all_or_nothing:
    description:
      - Whether one application that is not well takes back the changes of all. Otherwise its own go back, as a further
        step of the journal, and those of the others stay and are committed, when nothing else has changed with them;
        the module fails all the same.
    type: bool
    default: false
  rollback:
    description: Whether anything goes back at all.
    type: bool
    default: true
  only:
    description:
      - Whether the run is for O(applications) alone, and leaves the others of the host as they are - their files, and
        what all share as long as it would change for others.
    type: bool
    default: false
  others:
    description: With O(only), the other applications of the inventory; O(files) has theirs, too.
    type: list
    elements: dict
    default: []
  proven:
    description:
      - For the action, what M(modwsgi.deploy.wsgi_inspect) has proven. Then nothing is left to do, and this is the
        result without a module on the host.
    type: dict
    default: {}
extends_documentation_fragment:
  - modwsgi.deploy.deployment.applications
  - modwsgi.deploy.deployment.environments
  - modwsgi.deploy.deployment.files
  - modwsgi.deploy.deployment.instance
  - modwsgi.deploy.deployment.releases
  - modwsgi.deploy.deployment.site
  - modwsgi.deploy.deployment.written
attributes:
  check_mode:
    description: Predicts, also on a host without httpd; httpd's own test is not run, and no application is asked.
    support: full
  diff_mode:
    description: Shows files, and which parts of a deployment change; of environment variables the names only.
    support: full
notes:
  - Needs root.
"""

EXAMPLES = r"""
- name: The deployment is live and proven
  modwsgi.deploy.wsgi_go_live:
    applications: "{{ applications }}"
    wsgi_apps: "{{ wsgi_apps }}"
    releases: "{{ release.releases }}"
    venvs: "{{ venv.venvs }}"
    launcher: "{{ lookup('ansible.builtin.file', 'launcher.py') | hash('sha256') }}"
    certificates: "{{ certificate.certificates }}"
    site: "{{ site }}"
    keep_releases: 5
  become: true
"""

RETURN = r"""
held:
  description: That there is a change, and none of it was done.
  returned: with O(hold), when there is a change, or the host is away from its load balancer
  type: bool
serving:
  description: Whether the host serves something that was proven, and is not away from its load balancer.
  returned: with RV(held)
  type: bool
stays:
  description:
    - Whether the host stays in its load balancer in its turn. All that changes are releases that a share of the
      requests tries first, which visitors have to do.
  returned: with RV(held)
  type: bool
unproven:
  description: Whether M(modwsgi.deploy.httpd_transaction) has a change to roll back, when a later step has failed.
  returned: always
  type: bool
changes:
  description: One line for each change of a configuration file.
  returned: when the files are live
  type: list
  elements: str
  sample: ["write /etc/apache2/sites-available/500-shop.conf"]
switched:
  description: The parts of deployments that changed, by application.
  returned: when the releases are the current ones
  type: dict
actions:
  description: What was done to httpd, as C(actions) of M(modwsgi.deploy.httpd_service).
  returned: when httpd serves the configuration
  type: list
  elements: str
tried:
  description: One sentence for each application of which a share of the requests has tried the new release first.
  returned: when a release was loaded beside the one that serves
  type: list
  elements: str
restarted:
  description: The pids of daemon processes that were replaced, by application.
  returned: when there were some
  type: dict
killed:
  description: The pids of those among them that did not go by themselves, by application.
  returned: when there were some
  type: dict
log_lines:
  description: What the logs say about applications that are not well, by application; tracebacks, or else last lines.
  returned: failure
  type: dict
applications:
  description: What the probe of each process group answered, and status and seconds of each health path.
  returned: when they were asked
  type: dict
awaited_certificates:
  description: One sentence for each site whose certificate httpd has not got yet.
  returned: when they were asked
  type: list
  elements: str
removed:
  description: Folders of old releases and virtual environments that were removed.
  returned: when another release has become the current one
  type: list
  elements: str
"""

import os

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.modwsgi.deploy.plugins.module_utils.deploy.go_live import GoLive, GoLiveError
from ansible_collections.modwsgi.deploy.plugins.module_utils.deploy.probe import SITE_OPTIONS
from ansible_collections.modwsgi.deploy.plugins.module_utils.httpd.config import FILE_OPTIONS
from ansible_collections.modwsgi.deploy.plugins.module_utils.instance import UnknownInstanceError, instance


def main() -> None:
    """Run the module."""
    module = AnsibleModule(
        argument_spec={
            "applications": {"type": "list", "elements": "dict", "required": True},
            "wsgi_apps": {"type": "list", "elements": "dict"},
            "environments": {"type": "str", "required": True, "no_log": True},
            "releases": {"type": "dict", "required": True},
            "venvs": {"type": "dict", "required": True},
            "launcher": {"type": "str", "required": True},
            "instance": {"type": "str", "default": "apache2"},
            "files": {"type": "list", "elements": "dict", "required": True, "options": FILE_OPTIONS},
            "certificates": {"type": "dict"},
            "logging": {"type": "dict"},
            "sensitive_files": {"type": "str", "no_log": True},
            "together_with": {"type": "dict", "default": {}},
            "foreign": {"type": "dict", "default": {}},
            "manage_service": {"type": "bool", "default": True},
            "reap_stuck_children": {"type": "bool"},
            "site": {"type": "dict", "required": True, "options": SITE_OPTIONS},
            "maintenance": {"type": "bool", "default": False},
            "by": {"type": "str", "default": ""},
            "hold": {"type": "bool", "default": False},
            "keep_releases": {"type": "int", "required": True},
            "all_or_nothing": {"type": "bool", "default": False},
            "rollback": {"type": "bool", "default": True},
            "only": {"type": "bool", "default": False},
            "others": {"type": "list", "elements": "dict", "default": []},
            "proven": {"type": "dict", "default": {}},
        },
        supports_check_mode=True,
    )
    os.umask(0o022)
    try:
        way = GoLive(instance(module.params["instance"]), module.params, module.check_mode)
    except UnknownInstanceError as error:
        module.fail_json(msg=str(error))
    failure: GoLiveError | None = None
    try:
        way.run()
    except GoLiveError as error:
        failure = error
    for sentence in way.warnings:
        module.warn(sentence)
    if failure:
        # Ansible prints all of it: no answers of applications that are well, no differences.
        told = {"log_lines": failure.log_lines} if failure.log_lines else {}
        module.fail_json(msg=str(failure), changed=way.result["changed"], unproven=way.result["unproven"], **told)
    module.exit_json(**way.result)


if __name__ == "__main__":
    main()
