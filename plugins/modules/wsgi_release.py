#!/usr/bin/python
# SPDX-License-Identifier: Apache-2.0
"""Put the code of WSGI applications on the host, each release in a folder named by its content."""

from __future__ import annotations

DOCUMENTATION = r"""
---
module: wsgi_release
short_description: Releases of WSGI applications, named by their content
version_added: 0.1.0
author: The modwsgi.deploy maintainers (@modwsgi)
description:
  - For a source on the control node, digests the folder there and transfers it only when the host does not have that
    release yet.
  - For a git repository, resolves the version to a commit and exports that commit on the host.
  - A release belongs to root and is never changed once it has its final name. It is not in use before
    M(modwsgi.deploy.wsgi_go_live).
  - Git runs as the account C(modwsgi-build), which has no rights and no keys but O(credentials); root unpacks what it
    has exported.
  - Works as an action plugin and a module of the same name; the options C(digest) and C(archive) of an application are
    filled in by the action plugin.
options:
  atexit_warnings:
    description: Whether to warn of code that registers handlers of C(atexit), by file and line.
    type: bool
    default: false
extends_documentation_fragment:
  - modwsgi.deploy.deployment.applications
  - modwsgi.deploy.deployment.build
  - modwsgi.deploy.deployment.written
attributes:
  check_mode:
    description: Predicts; a git source is then resolved only where git is installed.
    support: full
"""

EXAMPLES = r"""
- name: The code is on the host
  modwsgi.deploy.wsgi_release:
    applications: "{{ wsgi_apps | modwsgi.deploy.wsgi_apps(httpd_listen, httpd_host) }}"
"""

RETURN = r"""
releases:
  description: >-
    For each application its release as C(id), C(path) and C(changed). In check mode C(id) is empty where it cannot be
    known.
  returned: success
  type: dict
missing:
  description: Applications whose release has to be transferred; for the action plugin.
  returned: success
  type: list
  elements: str
"""

import os
from typing import Any

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.modwsgi.deploy.plugins.module_utils.deploy.atexit import SearchError, search, warning
from ansible_collections.modwsgi.deploy.plugins.module_utils.deploy.builder import OPTIONS
from ansible_collections.modwsgi.deploy.plugins.module_utils.deploy.release import ReleaseError, release_of


def warn_of_atexit(module: AnsibleModule, application: dict[str, Any], release: str) -> None:
    """Tell which handlers of a release will not run; a release that is not there yet has none to tell of."""
    if not os.path.isdir(release):
        return
    try:
        sentence = warning(application, search(release))
    except (SearchError, OSError) as error:
        sentence = (
            f"The application {application['name']!r} could not be searched for handlers of atexit, which do not run "
            f"with mod_wsgi_destroy_interpreter: false: {error}."
        )
    if sentence:
        module.warn(sentence)


def main() -> None:
    """Run the module."""
    module = AnsibleModule(
        argument_spec={
            "applications": {"type": "list", "elements": "dict", "required": True},
            "wsgi_apps": {"type": "list", "elements": "dict"},
            "atexit_warnings": {"type": "bool", "default": False},
            **OPTIONS,
        },
        supports_check_mode=True,
    )
    os.umask(0o022)
    releases = {}
    missing = []
    try:
        for application in module.params["applications"]:
            release = release_of(application, module.check_mode, module.params)
            releases[application["name"]] = release
            if module.params["atexit_warnings"] and release["path"]:
                warn_of_atexit(module, application, release["path"])
            if "git" not in application["source"] and not os.path.isdir(release["path"]):
                missing.append(application["name"])
    except (ReleaseError, ValueError, OSError) as error:
        module.fail_json(msg=str(error))
    module.exit_json(changed=any(r["changed"] for r in releases.values()), releases=releases, missing=missing)


if __name__ == "__main__":
    main()
