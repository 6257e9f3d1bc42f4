# SPDX-License-Identifier: Apache-2.0
"""Options that several modules of a deployment have."""

from __future__ import annotations


class ModuleDocFragment:
    """What Ansible looks for; each part is named in the documentation of a module."""

    APPLICATIONS = r"""
options:
  applications:
    description: Applications in the form of the filter P(modwsgi.deploy.wsgi_apps#filter).
    type: list
    elements: dict
    required: true
"""

    BUILD = r"""
options:
  credentials:
    description:
      - What gives the account for builds access, as base64-encoded JSON, by application - C(git) with C(username),
        C(password), C(ssh_key) and C(known_hosts), C(pip) with C(netrc), C(ssh_key) and C(known_hosts).
    type: str
    default: ""
  build_timeout:
    description: Seconds that one command of a build may take.
    type: int
    default: 3600
  build_size:
    description: Bytes that a file of a build, a virtual environment, pip's cache or the copy of a repository may have.
    type: int
    default: 10737418240
"""

    CERTIFICATES = r"""
options:
  certificates:
    suboptions:
      name:
        description: Name of the application; the result has it, too.
        type: str
        required: true
      certificate:
        description: Absolute path of the file with the certificate, and those between it and the root's.
        type: path
        required: true
      key:
        description: Absolute path of the private key's file.
        type: path
        required: true
      names:
        description: Host names; the first one has to be covered.
        type: list
        elements: str
        required: true
      self_signed:
        description: Whether it is made here.
        type: bool
        default: false
"""

    ENVIRONMENTS = r"""
options:
  environments:
    description: Environment variables of all applications, as base64-encoded JSON.
    type: str
    required: true
  launcher:
    description: Digest of the launcher that serves.
    type: str
    required: true
"""

    INSTANCE = r"""
options:
  instance:
    description: The httpd instance.
    type: str
    default: apache2
"""

    RELEASES = r"""
options:
  releases:
    description: RV(modwsgi.deploy.wsgi_release#module:releases).
    type: dict
    required: true
  venvs:
    description: RV(modwsgi.deploy.wsgi_venv#module:venvs).
    type: dict
    required: true
"""
