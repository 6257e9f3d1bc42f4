#!/usr/bin/python
# SPDX-License-Identifier: Apache-2.0

from __future__ import annotations

DOCUMENTATION = r"""
module: httpd_preflight
short_description: Check that a host can serve, and describe it
version_added: 0.1.0
author: The modwsgi.deploy maintainers (@modwsgi)
description:
  - Reads only. Fails with one sentence when the distribution is not supported, or when another program listens where
    httpd is to listen, or when any account may listen on the private port.
  - Returns what the roles need to know about the host, so that no facts have to be gathered.
options:
  listen:
    description: Where httpd is to listen; a port, C(address:port) or C([IPv6 address]:port).
    type: list
    elements: str
    required: true
  private_port:
    description:
      - The port on loopback for the server's status and probes.
      - On a host below 1024, so that only root can listen there; a host where that does not hold is warned of.
    type: int
    required: true
  packages:
    description: Packages that the role needs.
    type: list
    elements: str
    default: []
  foreign_sites:
    description:
      - V(keep) - the sites of others that httpd serves on this host are found.
      - V(ignore) - they are not looked for, as on a host that serves nothing else.
    type: str
    choices: [keep, ignore]
    default: ignore
    version_added: 0.2.0
  replaced:
    description: Enabled files that are to be gone, relative to the server root; what they serve is not looked at.
    type: list
    elements: str
    default: []
    version_added: 0.2.0
  certificates:
    description:
      - Certificates of applications, as RV(modwsgi.deploy.preflight#module:wsgi_app_certificates). The files of the
        applications depend on them. What is wrong with one is for M(modwsgi.deploy.wsgi_inspect) to refuse.
  mod_wsgi:
    description:
      - What the role mod_wsgi asks as well, as for M(modwsgi.deploy.mod_wsgi_interpreter). Asked together, it costs no
        module of its own.
    type: dict
    version_added: 0.2.0
    suboptions:
      python:
        description: As O(modwsgi.deploy.mod_wsgi_interpreter#module:python).
        type: str
        required: true
      version:
        description: As O(modwsgi.deploy.mod_wsgi_interpreter#module:version).
        type: str
        required: true
      install_method:
        description: As O(modwsgi.deploy.mod_wsgi_interpreter#module:install_method).
        type: str
        choices: [source, wheel, package]
        default: source
      root:
        description: As O(modwsgi.deploy.mod_wsgi_interpreter#module:root).
        type: path
        default: /opt/mod_wsgi
      build_record:
        description: As O(modwsgi.deploy.mod_wsgi_interpreter#module:build_record).
        type: path
        required: true
extends_documentation_fragment:
  - modwsgi.deploy.deployment.certificates
  - modwsgi.deploy.deployment.certificates_of_applications
  - modwsgi.deploy.deployment.host
  - modwsgi.deploy.deployment.instance
  - modwsgi.deploy.deployment.no_diff
  - modwsgi.deploy.deployment.reads_only
notes:
  - Without root the program that holds a port cannot be told, and httpd's own listeners look like others'.
"""

EXAMPLES = r"""
- name: The host can serve
  modwsgi.deploy.httpd_preflight:
    host: "{{ inventory_hostname }}"
    listen: [80]
    private_port: 297
    packages: [apache2]
  become: true
  register: preflight
"""

RETURN = r"""
host:
  description:
    - The host.
    - C(php) is the module of PHP that is enabled, C(php8.2) for example, or C(mpm_itk), which also needs
      C(mpm_prefork), or nothing.
    - C(control_groups) is whether systemd can give applications control groups with limits of their own.
    - C(apparmor) is whether the kernel has AppArmor and can be given a profile. C(apparmor_ready) is whether httpd
      can have one with nothing to install, and no other one is there for it.
    - C(foreign) is empty where httpd serves nothing of others. Else it has C(sites), C(vhosts), C(files), C(listen),
      C(listen_with_ssl), C(wsgi), C(python), C(acme), C(mpm) and C(served_by_main), which
      C(plugins/module_utils/httpd/foreign.py) explains.
    - C(blue_green) names the applications whose releases change by blue and green.
  returned: success
  type: dict
  sample:
    distribution: debian
    codename: bookworm
    release: "12"
    python_version: "3.11"
    architecture: x86_64
    service_manager: systemd
    control_groups: true
    apparmor: true
    apparmor_ready: true
    cores: 2
    memory_mebibytes: 2048
    php: ""
    foreign: {}
    blue_green: [shop]
missing_packages:
  description: Those of O(packages) that are not installed.
  returned: success
  type: list
  elements: str
certificates:
  description: Those of O(certificates) that can be used, as of M(modwsgi.deploy.httpd_certificates).
  returned: success
  type: dict
mod_wsgi:
  description:
    - C(answer) is what M(modwsgi.deploy.mod_wsgi_interpreter) returns, or C(problem) is why it fails.
    - C(questions) are those of O(mod_wsgi).
  returned: when O(mod_wsgi) is given, and the host can serve
  type: dict
"""

from typing import Any

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.modwsgi.deploy.plugins.module_utils.deploy import colours
from ansible_collections.modwsgi.deploy.plugins.module_utils.httpd import apparmor, preflight
from ansible_collections.modwsgi.deploy.plugins.module_utils.httpd import certificates as httpd_certificate_files
from ansible_collections.modwsgi.deploy.plugins.module_utils.httpd import foreign as httpd_foreign
from ansible_collections.modwsgi.deploy.plugins.module_utils.httpd.listeners import (
    ListenerError,
    check_private_port,
    listeners,
)
from ansible_collections.modwsgi.deploy.plugins.module_utils.instance import UnknownInstanceError, instance
from ansible_collections.modwsgi.deploy.plugins.module_utils.mod_wsgi.inspection import QUESTIONS, examine_host
from ansible_collections.modwsgi.deploy.plugins.module_utils.mod_wsgi.interpreter import InterpreterError


def inspection(questions: dict[str, Any] | None, host: str) -> dict[str, Any]:
    """What the role mod_wsgi wants to know; what is wrong there is for that role to refuse."""
    if not questions:
        return {}
    try:
        return {"mod_wsgi": {"answer": examine_host(questions, host)}}
    except InterpreterError as error:
        return {"mod_wsgi": {"problem": str(error)}}


def main() -> None:
    """Entry point."""
    module = AnsibleModule(
        argument_spec={
            "instance": {"type": "str", "default": "apache2"},
            "host": {"type": "str", "required": True},
            "listen": {"type": "list", "elements": "str", "required": True},
            "private_port": {"type": "int", "required": True},
            "packages": {"type": "list", "elements": "str", "default": []},
            "foreign_sites": {
                "type": "str",
                "choices": [httpd_foreign.KEEP, httpd_foreign.IGNORE],
                "default": httpd_foreign.IGNORE,
            },
            "replaced": {"type": "list", "elements": "str", "default": []},
            "certificates": {
                "type": "list",
                "elements": "dict",
                "default": [],
                "options": httpd_certificate_files.ENTRY_OPTIONS,
            },
            "mod_wsgi": {"type": "dict", "options": QUESTIONS},
        },
        supports_check_mode=True,
    )
    parameters = module.params
    try:
        described = instance(parameters["instance"])
        wanted = listeners(parameters["listen"], parameters["private_port"], variables=not described["unit"])
        check_private_port(parameters["private_port"], is_host=bool(described["unit"]))
        keeps = parameters["foreign_sites"] == httpd_foreign.KEEP
        foreign = httpd_foreign.find(described, parameters["replaced"]) if keeps else {}
        php = httpd_foreign.enabled_php(described)
        ready = apparmor.is_ready(described["binary"])
        own = {"apparmor_ready": ready, "php": php, "foreign": foreign, "blue_green": colours.applications()}
        host = {**preflight.describe(parameters["host"]), **own}
        preflight.refuse_taken_ports(described, wanted, parameters["host"])
        found = inspection(parameters["mod_wsgi"], parameters["host"])
        certificates = httpd_certificate_files.usable(parameters["certificates"])
    except (preflight.HostError, ListenerError, UnknownInstanceError, OSError) as error:
        module.fail_json(msg=str(error))
    warning = preflight.unprivileged_port_warning(parameters["private_port"], parameters["host"])
    if warning and described["unit"]:
        module.warn(warning)
    missing = preflight.missing_packages(parameters["packages"])
    module.exit_json(changed=False, host=host, missing_packages=missing, certificates=certificates, **found)


if __name__ == "__main__":
    main()
