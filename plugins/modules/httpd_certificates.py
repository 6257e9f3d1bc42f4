#!/usr/bin/python
# SPDX-License-Identifier: Apache-2.0

from __future__ import annotations

DOCUMENTATION = r"""
module: httpd_certificates
short_description: Check the certificates that httpd is to use, and make those for development
version_added: 0.2.0
author: The modwsgi.deploy maintainers (@modwsgi)
description:
  - Refuses a certificate that is missing, damaged or expired, that does not belong to its key, or that is for another
    name, before httpd is told about it. C(apache2ctl -t) accepts most of these.
  - Makes self-signed certificates (ECDSA P-256, valid for a year), again 30 days before their end or when the names
    change. Keys are readable by root only and never leave the host. The files are a step of the transaction that
    M(modwsgi.deploy.httpd_transaction) commits or rolls back.
options:
  certificates:
    description: The certificates, each with the name under which the result has it.
    type: list
    elements: dict
    required: true
  instance:
    description: The httpd instance, in whose transaction the files are made.
    type: str
    default: apache2
extends_documentation_fragment:
  - modwsgi.deploy.deployment.certificates
  - modwsgi.deploy.deployment.no_diff
attributes:
  check_mode:
    support: full
    description: Predicts which certificates would be made.
notes:
  - Needs root and the program openssl.
"""

EXAMPLES = r"""
- name: The certificate can be used
  modwsgi.deploy.httpd_certificates:
    certificates:
      - name: shop
        certificate: /etc/ssl/shop.pem
        key: /etc/ssl/private/shop.key
        names: [shop.example.com]
  become: true
"""

RETURN = r"""
certificates:
  description: >-
    By name, C(fingerprint) (SHA-256 of both files, hexadecimal) and C(stapling) (whether the certificate names an OCSP
    responder and its issuer's certificate is in the file).
  returned: success
  type: dict
"""

import os

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.modwsgi.deploy.plugins.module_utils.httpd.certificates import (
    ENTRY_OPTIONS,
    CertificateError,
    run,
)
from ansible_collections.modwsgi.deploy.plugins.module_utils.httpd.control import ControlError
from ansible_collections.modwsgi.deploy.plugins.module_utils.httpd.journal import JournalError
from ansible_collections.modwsgi.deploy.plugins.module_utils.instance import UnknownInstanceError, instance


def main() -> None:
    """Run the module."""
    module = AnsibleModule(
        argument_spec={
            "certificates": {"type": "list", "elements": "dict", "required": True, "options": ENTRY_OPTIONS},
            "instance": {"type": "str", "default": "apache2"},
        },
        supports_check_mode=True,
    )
    os.umask(0o022)
    try:
        described = instance(module.params["instance"])
        changed, found = run(described, module.params["certificates"], module.check_mode)
    except CertificateError as error:
        module.fail_json(msg=str(error))
    except (ControlError, JournalError, UnknownInstanceError) as error:
        module.fail_json(msg=str(error))
    except OSError as error:
        module.fail_json(msg=f"The certificates cannot be made: {error}; become root, or correct the host.")
    module.exit_json(changed=changed, certificates=found)


if __name__ == "__main__":
    main()
