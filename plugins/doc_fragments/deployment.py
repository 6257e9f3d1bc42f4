# SPDX-License-Identifier: Apache-2.0
"""Options that several modules of a deployment have."""

from __future__ import annotations


class ModuleDocFragment:
    """What Ansible looks for; each part is named in the documentation of a module."""

    APPLICATIONS = r"""
options:
  applications:
    description: Applications, as RV(modwsgi.deploy.preflight#module:wsgi_app_applications).
    type: list
    elements: dict
    required: true
"""

    BUILD = r"""
options:
  credentials:
    description:
      - What gives the account for builds access, as base64-encoded JSON, by application - C(git) with C(username),
        C(password), C(ssh_key) and C(known_hosts), C(pip) with C(netrc), C(ssh_key), C(known_hosts), C(index_url),
        C(extra_index_urls) and C(trusted_ca).
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

    FILES = r"""
options:
  files:
    suboptions:
      path:
        description: Absolute, or relative to the server root (C(/etc/apache2)). Missing parent directories are created.
        type: path
        required: true
      content:
        description:
          - The file's text.
          - Exactly one of O(files[].content), O(files[].link), O(files[].absent), O(files[].directory), O(files[].log)
            is needed.
        type: str
      link:
        description: The target of a symbolic link, as it is written into the link.
        type: str
      absent:
        description: The path must not exist.
        type: bool
        default: false
      directory:
        description: The path is a directory with the given owner and mode.
        type: bool
        default: false
      log:
        description:
          - The path is that of a log. It is there before httpd opens it, with the given owner and mode. So are the
            files that logrotate has kept of it.
          - What is in it is never touched, and it stays when nobody lists it any more.
          - A path that is no file, such as a link, is left as it is.
        type: bool
        default: false
      mode:
        description: Permissions, octal. The default is V(0644) for a file, V(0755) for a directory, V(0640) for a log.
        type: str
      owner:
        description: The user who owns the file or directory.
        type: str
        default: root
      group:
        description: The group that owns the file or directory.
        type: str
        default: root
      optional:
        description: A link whose target does not exist is left out instead of refused.
        type: bool
        default: false
      adopt:
        description:
          - Take over (or remove) a file which others have put there, usually the distribution.
          - The original is kept, and comes back when the owner no longer lists the path.
        type: bool
        default: false
      action:
        description:
          - What httpd needs to serve a change of this file.
          - Default V(reload) for files and links below the server root, V(none) for others and for directories.
        type: str
        choices: [none, reload, restart]
      sensitive:
        description: The content is not shown in a diff.
        type: bool
        default: false
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

    WRITTEN = r"""
options:
  wsgi_apps:
    description:
      - The applications as the variable C(wsgi_apps) of the role wsgi_app has them, with their secrets. From them the
        action on the control node makes those of C(environments), C(credentials) and C(sensitive_files) that the module
        has and that are not given.
    type: list
    elements: dict
"""
