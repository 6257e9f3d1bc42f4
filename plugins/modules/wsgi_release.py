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
  module_version:
    description:
      - The version of mod_wsgi that is to be loaded; V("") when it is not known.
      - From 6 on, code that ran with an earlier major version and does not with this one is warned of, by file and
        line, in new releases, and in all when httpd loads another major version now.
    type: str
    default: ""
extends_documentation_fragment:
  - modwsgi.deploy.deployment.applications
  - modwsgi.deploy.deployment.build
  - modwsgi.deploy.deployment.instance
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
from ansible_collections.modwsgi.deploy.plugins.module_utils.deploy import atexit, upgrade
from ansible_collections.modwsgi.deploy.plugins.module_utils.deploy.account import group_id
from ansible_collections.modwsgi.deploy.plugins.module_utils.deploy.builder import OPTIONS
from ansible_collections.modwsgi.deploy.plugins.module_utils.deploy.release import ReleaseError, release_of
from ansible_collections.modwsgi.deploy.plugins.module_utils.deploy.searching import Found, SearchError, search
from ansible_collections.modwsgi.deploy.plugins.module_utils.instance import UnknownInstanceError, instance


class Warnings:
    """What is to be said of the code of releases."""

    def __init__(self, parameters: dict[str, Any], facts_file: str) -> None:
        """``parameters`` are those of the module."""
        self.atexit = bool(parameters["atexit_warnings"])
        self.every = upgrade.is_upgrade(facts_file, parameters["module_version"])
        self.new = upgrade.major(parameters["module_version"]) >= upgrade.FIRST
        self.sentences: list[str] = []
        self.upgrades: list[tuple[list[str], int]] = []

    def search(self, application: dict[str, Any], release: dict[str, Any]) -> None:
        """Search a release; one that is not there yet has nothing to tell of."""
        upgrading = self.every or (self.new and release["changed"])
        chosen = [
            *([(atexit.SEARCH, self._of_atexit)] if self.atexit else []),
            *([(upgrade.SEARCH, self._of_upgrade)] if upgrading else []),
        ]
        if not chosen or not os.path.isdir(release["path"]):
            return
        group = group_id(application["group"])
        try:
            for (_, tell), found in zip(chosen, search(release["path"], [each for each, _ in chosen], group)):
                tell(application, found)
        except (SearchError, OSError) as error:
            subjects = [
                *(["handlers of atexit, which do not run with mod_wsgi_destroy_interpreter: false"] * self.atexit),
                *([f"what mod_wsgi 6 changes ({upgrade.PAGE})"] * upgrading),
            ]
            self.sentences.append(
                f"The application {application['name']!r} could not be searched for {', and for '.join(subjects)}: "
                f"{error}."
            )

    def _of_atexit(self, application: dict[str, Any], found: Found) -> None:
        self.sentences += [sentence for sentence in [atexit.warning(application, found.places)] if sentence]

    def _of_upgrade(self, application: dict[str, Any], found: Found) -> None:
        self.upgrades.append(upgrade.warnings(application, found))

    def all(self) -> list[str]:
        """The sentences."""
        return [*self.sentences, *upgrade.bounded(self.upgrades)]


def main() -> None:
    """Run the module."""
    module = AnsibleModule(
        argument_spec={
            "applications": {"type": "list", "elements": "dict", "required": True},
            "wsgi_apps": {"type": "list", "elements": "dict"},
            "atexit_warnings": {"type": "bool", "default": False},
            "module_version": {"type": "str", "default": ""},
            "instance": {"type": "str", "default": "apache2"},
            **OPTIONS,
        },
        supports_check_mode=True,
    )
    os.umask(0o022)
    releases = {}
    missing = []
    try:
        warnings = Warnings(module.params, instance(module.params["instance"])["facts_file"])
        for application in module.params["applications"]:
            release = release_of(application, module.check_mode, module.params)
            releases[application["name"]] = release
            warnings.search(application, release)
            if "git" not in application["source"] and not os.path.isdir(release["path"]):
                missing.append(application["name"])
    except (ReleaseError, UnknownInstanceError, ValueError, OSError) as error:
        module.fail_json(msg=str(error))
    for sentence in warnings.all():
        module.warn(sentence)
    module.exit_json(changed=any(r["changed"] for r in releases.values()), releases=releases, missing=missing)


if __name__ == "__main__":
    main()
