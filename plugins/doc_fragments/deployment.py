# SPDX-License-Identifier: Apache-2.0
"""What several modules of a deployment say of themselves in the same words."""

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

    CERTIFICATES_OF_APPLICATIONS = r"""
options:
  certificates:
    description: Certificates, as RV(modwsgi.deploy.preflight#module:wsgi_app_certificates).
    type: list
    elements: dict
    default: []
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

    HOST = r"""
options:
  host:
    description: Name of the host for messages.
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

    INTERPRETER = r"""
options:
  interpreter:
    description: The fact C(mod_wsgi_interpreter) of the role mod_wsgi.
    type: dict
    required: true
"""

    NO_DIFF = r"""
attributes:
  diff_mode:
    description: Is not offered.
    support: none
"""

    PREDICTS = r"""
attributes:
  check_mode:
    description: Predicts what would change.
    support: full
"""

    READS_ONLY = r"""
attributes:
  check_mode:
    description: Reads only, as without it.
    support: full
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

    SITE = r"""
options:
  site:
    suboptions:
      applications:
        description: The applications that are asked, as RV(modwsgi.deploy.preflight#module:wsgi_app_applications).
        type: list
        elements: dict
        required: true
      private_port:
        description: The port on 127.0.0.1 where httpd has the probes.
        type: int
        required: true
      python_version:
        description: The complete version of Python that the applications run on.
        type: str
        required: true
      python_prefix:
        description: The prefix of that Python.
        type: str
        required: true
      mod_wsgi_version:
        description: The version of mod_wsgi; an empty one is not compared.
        type: str
        default: ""
      log_directory:
        description: Where httpd has its logs, which a failure quotes.
        type: path
        required: true
"""

    WHEEL = r"""
options:
  version:
    description: Version of mod_wsgi.
    type: str
    required: true
  sha256:
    description: SHA-256 of the source distribution.
    type: str
    required: true
  name:
    description: File name that the wheel has to have.
    type: str
    required: true
  module:
    description: File name of the compiled module that the wheel has to hold.
    type: str
    required: true
  second:
    description: SHA-256 that an independent build gave; a wheel with another one is not kept.
    type: str
    default: ""
  second_host:
    description: Name of the host of that build, for messages.
    type: str
    default: ""
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
