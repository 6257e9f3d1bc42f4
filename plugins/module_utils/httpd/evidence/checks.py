# SPDX-License-Identifier: Apache-2.0
"""Whether a host meets an item of a benchmark, by what is measured on it (``effective``), and the fact behind that.

Runs on the managed host. Each function of ``CHECKS`` is one way to look; `evidence.yml` on the control node says which
item is looked at how. A fact is one line that an auditor can check by hand.
"""

from __future__ import annotations

import subprocess
from collections.abc import Callable, Mapping
from typing import Any

from ansible_collections.modwsgi.deploy.plugins.module_utils.httpd.control import ControlError
from ansible_collections.modwsgi.deploy.plugins.module_utils.httpd.effective import Effective
from ansible_collections.modwsgi.deploy.plugins.module_utils.httpd.evidence import (
    answers,
    configuration,
    files,
    logs,
    software,
    tls,
)
from ansible_collections.modwsgi.deploy.plugins.module_utils.httpd.evidence.model import TO_JUDGE, Judgement

LONGEST_FACT = 1000

CHECKS: dict[str, Callable[..., Judgement]] = {
    check.__name__: check
    for check in (
        answers.trace_refused,
        answers.version_refused,
        answers.address_refused,
        answers.nothing_at,
        answers.server_header,
        answers.header_of_pages,
        answers.framing,
        answers.only_tls,
        configuration.modules_absent,
        configuration.modules_present,
        configuration.modules_listed,
        configuration.idle_proxies,
        configuration.no_directives,
        configuration.some_directive,
        configuration.at_most,
        configuration.at_least,
        configuration.word,
        configuration.tls_word,
        configuration.etag_without_inode,
        configuration.persistent_connections,
        configuration.read_timeout,
        configuration.root_folder,
        configuration.overrides,
        configuration.options_of_others,
        configuration.listings,
        configuration.hidden_names,
        configuration.listens_by_address,
        configuration.vhosts_by_address,
        configuration.usual_ports,
        configuration.no_sessions,
        configuration.handlers,
        files.unprivileged,
        files.no_shell,
        files.locked,
        files.owned,
        files.closed,
        files.private_logs,
        files.private_keys,
        files.private_folder,
        files.pid_file,
        files.passwords,
        files.separate_partition,
        logs.error_log,
        logs.syslog,
        logs.access_log,
        logs.timestamps,
        logs.rotation,
        software.patched,
        software.from_distribution,
        software.selinux,
        software.apparmor,
        software.apparmor_profile,
        tls.tls_versions,
        tls.cipher_suites,
        tls.trusted_certificates,
        tls.stapling,
        tls.client_certificates,
    )
}
"""The ways to look, by their names in `evidence.yml`."""


def judge(host: Effective, check: str, arguments: Mapping[str, Any]) -> Judgement:
    """One item. What cannot be measured is for somebody to judge, and hides no other item."""
    try:
        found = CHECKS[check](host, **arguments)
    except (OSError, ValueError, IndexError, ControlError, subprocess.SubprocessError) as error:
        found = Judgement(TO_JUDGE, f"this could not be measured ({error})")
    line = "".join(letter if letter.isprintable() else "?" for letter in " ".join(found.fact.split()))
    return Judgement(found.status, line[:LONGEST_FACT])
