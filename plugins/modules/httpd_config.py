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
  together_with:
    description:
      - The complete sets of other owners, which go live in the same transaction, by owner.
      - Each is a list like O(files), as JSON in Base64, which comes through templates unchanged.
    type: dict
    default: {}
    version_added: 0.2.0
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
        version_added: 0.2.0
      mode:
        description:
          - Permissions, octal. The default is V(0644) for a file, V(0755) for a directory, V(0640) for a log.
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
  sensitive_files:
    description:
      - More files of the set, as JSON in Base64, each with C(path) and C(content); one opaque value that no log shows.
      - They belong to root and to httpd's group, mode 0640.
    type: str
    version_added: 0.2.0
extends_documentation_fragment:
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

import base64
import json
import os
import re
from pathlib import Path
from typing import Any

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.modwsgi.deploy.plugins.module_utils import (
    httpd_foreign_answers,
    httpd_log_files,
    httpd_pending,
    httpd_return,
)
from ansible_collections.modwsgi.deploy.plugins.module_utils.httpd_control import ControlError
from ansible_collections.modwsgi.deploy.plugins.module_utils.httpd_instance import UnknownInstanceError, instance
from ansible_collections.modwsgi.deploy.plugins.module_utils.httpd_journal import JournalError, locked
from ansible_collections.modwsgi.deploy.plugins.module_utils.httpd_log_files import LogFile
from ansible_collections.modwsgi.deploy.plugins.module_utils.httpd_processes import httpd_main_process
from ansible_collections.modwsgi.deploy.plugins.module_utils.httpd_transaction import (
    ABSENT,
    CONTENT,
    Change,
    Transaction,
    TransactionError,
    decode_sets,
    is_full,
)

FILE_OPTIONS = {
    "path": {"type": "path", "required": True},
    "content": {"type": "str"},
    "link": {"type": "str"},
    "absent": {"type": "bool", "default": False},
    "directory": {"type": "bool", "default": False},
    "log": {"type": "bool", "default": False},
    "mode": {"type": "str"},
    "owner": {"type": "str", "default": "root"},
    "group": {"type": "str", "default": "root"},
    "optional": {"type": "bool", "default": False},
    "adopt": {"type": "bool", "default": False},
    "action": {"type": "str", "choices": ["none", "reload", "restart"]},
    "sensitive": {"type": "bool", "default": False},
}


def sensitive(encoded: str | None, name: str) -> list[dict[str, Any]]:
    """The entries of the option ``sensitive_files``."""
    group = instance(name)["group"]
    listed = json.loads(base64.b64decode(encoded)) if encoded else []
    return [
        {"path": entry["path"], "content": entry["content"], "mode": "0640", "group": group, "sensitive": True}
        for entry in listed
    ]


def run(
    owner: str,
    name: str,
    files: list[dict[str, Any]],
    check_mode: bool,
    together_with: dict[str, list[dict[str, Any]]] | None = None,
    foreign: dict[str, Any] | None = None,
) -> dict[str, Any]:
    """Do what the module promises; returns its result, with what visitors may notice as ``noticeable``."""
    described = instance(name)
    sets, logs = httpd_log_files.separate({**(together_with or {}), owner: files})
    foreign = foreign or {}
    files_of_others = foreign.get("files", [])
    if check_mode:
        transaction = Transaction(described, sets, predict=True, foreign=files_of_others)
        return _result(transaction, httpd_log_files.to_mend(logs, predict=True))
    with locked(described["state_directory"]):
        httpd_return.recover(described)
        transaction = Transaction(described, sets, predict=False, foreign=files_of_others)
        mended = httpd_log_files.to_mend(logs)
        result = _result(transaction, mended)
        _go_live(transaction, foreign.get("vhosts", []), mended)
    return {**result, "unproven": transaction.journal.open}


def _result(transaction: Transaction, logs: list[LogFile]) -> dict[str, Any]:
    pending = httpd_pending.read(transaction.instance)
    return {
        "changed": bool(transaction.changes or logs) or pending != httpd_pending.NONE,
        "action": httpd_pending.strongest(transaction.action, pending),
        "changes": [change.describe() for change in transaction.changes] + [log.describe() for log in logs],
        "diff": transaction.diff(),
        "unproven": bool(transaction.changes) or transaction.journal.open,
        "noticeable": noticeable(transaction),
    }


def noticeable(transaction: Transaction) -> list[str]:
    """What visitors of a server that runs may notice of the change, in sentences: what it takes away."""
    if not transaction.changes or httpd_main_process(transaction.instance) is None:
        return []
    gone = [change for change in transaction.changes if change.desired.kind == ABSENT and not change.original]
    sentences = []
    for folder, suffix, what in (("sites-enabled", ".conf", "sites"), ("mods-enabled", ".load", "modules")):
        paths = (Path(change.path) for change in gone)
        names = {path.stem for path in paths if path.parent.name == folder and path.suffix == suffix}
        if any(path.endswith("/mods-enabled/modwsgi.load") for path in transaction.desired):
            names.discard("wsgi")  # ours takes its place
        if names:
            sentences.append(f"httpd runs, and these {what} are disabled by this change: {', '.join(sorted(names))}.")
    lost = [port for change in transaction.changes for port in _ports_lost(change)]
    if lost:
        sentences.append(f"httpd runs, and no longer listens on {', '.join(lost)} after this change (httpd_listen).")
    return sentences


def _ports_lost(change: Change) -> list[str]:
    if Path(change.path).name != "ports.conf" or change.desired.kind != CONTENT:
        return []
    return [port for port in _listens(change.found.content) if port not in _listens(change.desired.content)]


def _listens(content: bytes) -> list[str]:
    """Where a ports.conf listens whatever is loaded."""
    return re.findall(r"^Listen[ \t]+(\S+)", content.decode(errors="replace"), re.IGNORECASE | re.MULTILINE)


def _go_live(transaction: Transaction, vhosts: list[dict[str, Any]], logs: list[LogFile]) -> None:
    if transaction.changes:
        transaction.test()
    for log in logs:  # before httpd opens them
        log.mend()
    if not transaction.changes:
        transaction.save_manifests()
        return
    answers = httpd_foreign_answers.ask(vhosts)
    httpd_return.begin(transaction.instance)
    if answers:
        transaction.journal.mark(httpd_foreign_answers.MARK, {"answers": answers})
    httpd_pending.add(transaction.instance, transaction.action)
    try:
        transaction.apply()
    except BaseException:
        httpd_return.forget_unless_steps(transaction.instance)
        raise


def main() -> None:
    """Entry point."""
    module = AnsibleModule(
        argument_spec={
            "owner": {"type": "str", "required": True},
            "instance": {"type": "str", "default": "apache2"},
            "together_with": {"type": "dict", "default": {}},
            "files": {"type": "list", "elements": "dict", "required": True, "options": FILE_OPTIONS},
            "sensitive_files": {"type": "str", "no_log": True},
            "foreign": {"type": "dict", "default": {}},
        },
        supports_check_mode=True,
    )
    os.umask(0o022)
    parameters = module.params
    try:
        files = [*parameters["files"], *sensitive(parameters["sensitive_files"], parameters["instance"])]
        result = run(
            parameters["owner"],
            parameters["instance"],
            files,
            module.check_mode,
            decode_sets(parameters["together_with"]),
            parameters["foreign"],
        )
    except (TransactionError, UnknownInstanceError, JournalError, ControlError) as error:
        module.fail_json(msg=str(error))
    except OSError as error:
        remedy = "make room" if is_full(error) else "become root, or correct the host"
        module.fail_json(
            msg=f"The configuration cannot be put in place, and nothing was changed: {error}; {remedy}, then run again."
        )
    for sentence in result.pop("noticeable"):
        module.warn(sentence)
    module.exit_json(**result)


if __name__ == "__main__":
    main()
