#!/usr/bin/python
# SPDX-License-Identifier: Apache-2.0

from __future__ import annotations

DOCUMENTATION = r"""
module: httpd_config
short_description: Put a set of httpd configuration files live together, or not at all
version_added: 0.1.0
author: The modwsgi.deploy maintainers (@modwsgi)
description:
  - Compares the complete set of files of one owner with the host. Without a difference nothing happens.
  - Otherwise the change is made in a copy of the server root, which httpd itself tests (C(apache2ctl -t)).
    Only when the test passes, the files go live together; when it fails, the live files stay as they are and
    the error shows httpd's own message.
  - What was there before is kept until M(modwsgi.deploy.httpd_transaction) commits the change or rolls it back. A run
    that was killed while the files went live is undone first, by whichever comes first - this module, or the next start
    or reload of httpd.
  - Files which the owner had put in place and no longer lists are removed; a file of the distribution that was taken
    over gets its original back.
  - Files of others are never touched. One that stands where the owner wants to write is refused, unless
    O(files[].adopt) is set.
  - The action which httpd needs to serve the change is returned and recorded for M(modwsgi.deploy.httpd_service).
options:
  owner:
    description: Whose set this is, usually the role's name. Each owner has a manifest of its own.
    type: str
    required: true
  foreign:
    description:
      - What is known of the sites of others, as C(host.foreign) of M(modwsgi.deploy.httpd_preflight).
      - httpd has to understand their files as before, and they are asked before the change.
      - M(modwsgi.deploy.httpd_transaction) asks them again.
    type: dict
    default: {}
    version_added: 0.2.0
  files:
    description: The owner's complete set.
    type: list
    elements: dict
    required: true
extends_documentation_fragment:
  - modwsgi.deploy.deployment.files
  - modwsgi.deploy.deployment.instance
attributes:
  check_mode:
    support: full
    description: Predicts the changes, also on a host without httpd; httpd's own test is not run.
  diff_mode:
    support: full
notes:
  - Changes the host only as root.
"""

EXAMPLES = r"""
- name: The configuration of the example role is live
  modwsgi.deploy.httpd_config:
    owner: example
    files:
      - path: conf-available/example.conf
        content: |
          ServerSignature Off
      - path: conf-enabled/example.conf
        link: ../conf-available/example.conf
      - path: mods-enabled/headers.load
        link: ../mods-available/headers.load
        action: restart
      - path: sites-enabled/000-default.conf
        absent: true
        adopt: true
      - path: /run/example
        directory: true
        mode: "0750"
        group: www-data
  become: true
  notify: modwsgi.deploy.httpd configuration changed
"""

RETURN = r"""
action:
  description: What httpd needs to serve the change; also that of an earlier run which was aborted before it.
  returned: success
  type: str
  sample: reload
unproven:
  description: Whether M(modwsgi.deploy.httpd_transaction) has a change to commit or to roll back.
  returned: success
  type: bool
changes:
  description: One line for each change.
  returned: success
  type: list
  elements: str
  sample: ["write /etc/apache2/conf-available/example.conf"]
"""

import os

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.modwsgi.deploy.plugins.module_utils.httpd.config import FILE_OPTIONS, failure, run
from ansible_collections.modwsgi.deploy.plugins.module_utils.httpd.control import ControlError
from ansible_collections.modwsgi.deploy.plugins.module_utils.httpd.file_sets.model import TransactionError
from ansible_collections.modwsgi.deploy.plugins.module_utils.httpd.journal import JournalError
from ansible_collections.modwsgi.deploy.plugins.module_utils.instance import UnknownInstanceError, instance


def main() -> None:
    """Entry point."""
    module = AnsibleModule(
        argument_spec={
            "owner": {"type": "str", "required": True},
            "instance": {"type": "str", "default": "apache2"},
            "files": {"type": "list", "elements": "dict", "required": True, "options": FILE_OPTIONS},
            "foreign": {"type": "dict", "default": {}},
        },
        supports_check_mode=True,
    )
    os.umask(0o022)
    parameters = module.params
    try:
        sets = {parameters["owner"]: parameters["files"]}
        result = run(instance(parameters["instance"]), sets, parameters["foreign"], module.check_mode)
    except (TransactionError, UnknownInstanceError, JournalError, ControlError) as error:
        module.fail_json(msg=str(error))
    except OSError as error:
        module.fail_json(msg=failure(error))
    for sentence in result.pop("noticeable"):
        module.warn(sentence)
    module.exit_json(**result)


if __name__ == "__main__":
    main()
