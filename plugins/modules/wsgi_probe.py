#!/usr/bin/python
# SPDX-License-Identifier: Apache-2.0
"""Prove by requests that WSGI applications run where they were meant to, and that they are healthy."""

from __future__ import annotations

DOCUMENTATION = r"""
---
module: wsgi_probe
short_description: Prove that WSGI applications run on the right Python and are healthy
version_added: 0.1.0
author: The modwsgi.deploy maintainers (@modwsgi)
description:
  - Asks each application, in each of its daemon process groups and over the private listener, which Python, virtual
    environment, mod_wsgi, groups and release answer, and compares. A configuration test cannot see a wrong Python.
  - Then asks each application's health path through its own vhost.
  - httpd answers 503 over TLS until it has a certificate that it gets itself (C(tls.acme)). Until then the health path
    is asked over the private listener, and the result names the certificate.
  - An answer is the application's own work. No more than 1 MiB of it is read, all of it within the time for the
    request, and a probe's answer that is not what the probe answers is refused.
  - All applications are asked, and all failures are reported; that of an application comes with its own traceback
    from its error log.
  - Changes nothing.
options:
  private_port:
    description: Port of the private listener on 127.0.0.1.
    type: int
    required: true
  python_version:
    description: The complete version of Python that has to answer, for example V(3.11.2).
    type: str
    required: true
  python_prefix:
    description: The prefix of that Python, which an embedded application has instead of its virtual environment's.
    type: str
    required: true
  mod_wsgi_version:
    description: The version of mod_wsgi that has to answer; not compared when left out.
    type: str
  log_directory:
    description: Folder of httpd's logs.
    type: path
    required: true
extends_documentation_fragment:
  - modwsgi.deploy.deployment.applications
attributes:
  check_mode:
    description: Asks nothing, since what would answer is not the predicted state.
    support: full
"""

EXAMPLES = r"""
- name: The applications run on the right Python and are healthy
  modwsgi.deploy.wsgi_probe:
    applications: "{{ applications }}"
    private_port: 297
    python_version: "3.11.2"
    python_prefix: /usr
    mod_wsgi_version: "6.1.1"
    log_directory: /var/log/apache2
"""

RETURN = r"""
applications:
  description: >-
    For each application what its daemon process group answered (C(probe)), what each further one of
    C(daemon_groups) answered, by name (C(daemon_groups)), the status of its health path (C(status)) and the seconds
    until the answer (C(seconds)).
  returned: always
  type: dict
awaited_certificates:
  description: One sentence for each site whose certificate httpd has not got yet.
  returned: success
  type: list
  elements: str
"""

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.modwsgi.deploy.plugins.module_utils.deploy.probe import Proof


def main() -> None:
    """Run the module."""
    module = AnsibleModule(
        argument_spec={
            "applications": {"type": "list", "elements": "dict", "required": True},
            "private_port": {"type": "int", "required": True},
            "python_version": {"type": "str", "required": True},
            "python_prefix": {"type": "str", "required": True},
            "mod_wsgi_version": {"type": "str"},
            "log_directory": {"type": "path", "required": True},
        },
        supports_check_mode=True,
    )
    proof = Proof([] if module.check_mode else module.params["applications"], module.params)
    if proof.problem:
        module.fail_json(msg=proof.problem, applications=proof.results)
    module.exit_json(changed=False, applications=proof.results, awaited_certificates=proof.awaited)


if __name__ == "__main__":
    main()
