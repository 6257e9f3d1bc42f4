#!/usr/bin/python
# SPDX-License-Identifier: Apache-2.0

from __future__ import annotations

DOCUMENTATION = r"""
module: httpd_transaction
short_description: End a change of httpd's configuration, for good or by going back
version_added: 0.2.0
author: The modwsgi.deploy maintainers (@modwsgi)
description:
  - What M(modwsgi.deploy.httpd_config) and M(modwsgi.deploy.wsgi_go_live) change can be undone until it is proven. This
    module ends it one way or the other; without such a change it does nothing.
  - Sites of others that M(modwsgi.deploy.httpd_config) has asked before the change are asked again. V(committed) fails,
    and ends nothing, when one of them answers worse than before; after going back, the result says how they answer.
  - Going back restores every file, link, owner and mode that was changed since the last proven state, also by earlier
    runs which were cut off, and lets httpd serve it by the weakest action that does - none when httpd has not read the
    new configuration yet, a reload or a restart where the change has needed it, a start when httpd has ended.
options:
  state:
    description:
      - V(committed) - the change is proven, and stays.
      - V(rolled_back) - the previous state is back, on the disk and in the server.
    type: str
    required: true
    choices: [committed, rolled_back]
  site:
    description: >-
      For V(committed), what proves the site, as O(modwsgi.deploy.wsgi_go_live#module:site); kept, and returned when a
      later change is rolled back.
    type: dict
extends_documentation_fragment:
  - modwsgi.deploy.deployment.instance
  - modwsgi.deploy.deployment.predicts
"""

EXAMPLES = r"""
- name: The configuration of the example role serves, or the previous one does
  become: true
  block:
    - name: The configuration is live
      modwsgi.deploy.httpd_config:
        owner: example
        files:
          - path: conf-enabled/example.conf
            content: |
              ServerSignature Off

    - name: It is served
      modwsgi.deploy.httpd_service:
        state: applied

    - name: It stays
      modwsgi.deploy.httpd_transaction:
        state: committed
  rescue:
    - name: The previous configuration serves
      modwsgi.deploy.httpd_transaction:
        state: rolled_back

    - name: What has failed is told
      ansible.builtin.fail:
        msg: "{{ ansible_failed_result.msg }}"
"""

RETURN = r"""
done:
  description: What was done to go back, in sentences; empty when there was nothing to undo.
  returned: success
  type: list
  elements: str
site:
  description: What the last V(committed) was given, to prove the site that is back; empty when there was none.
  returned: success
  type: dict
"""

import os

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.modwsgi.deploy.plugins.module_utils.httpd import foreign_answers, transaction
from ansible_collections.modwsgi.deploy.plugins.module_utils.httpd.control import ControlError
from ansible_collections.modwsgi.deploy.plugins.module_utils.httpd.journal import JournalError
from ansible_collections.modwsgi.deploy.plugins.module_utils.instance import UnknownInstanceError, instance


def main() -> None:
    """Entry point."""
    module = AnsibleModule(
        argument_spec={
            "instance": {"type": "str", "default": "apache2"},
            "state": {"type": "str", "required": True, "choices": ["committed", "rolled_back"]},
            "site": {"type": "dict"},
        },
        supports_check_mode=True,
    )
    os.umask(0o022)
    done: list[str] = []
    try:
        described = instance(module.params["instance"])
        journal = transaction.journal_of(described)
        changed = journal.open
        if changed and not module.check_mode:
            if module.params["state"] == "committed":
                transaction.commit(described, module.params["site"])
            else:
                done = transaction.go_back(described)
    except (ControlError, JournalError, UnknownInstanceError, foreign_answers.WorseAnswerError) as error:
        module.fail_json(msg=str(error))
    except OSError as error:
        module.fail_json(msg=transaction.failure(error))
    module.exit_json(changed=changed, done=done, site=journal.proven())


if __name__ == "__main__":
    main()
