# SPDX-License-Identifier: Apache-2.0
"""Whether a host is away from its load balancer. Runs on the managed host.

It is a file, so it outlives a run that fails and a boot: the host comes back in the next run that is well. While the
file is there, httpd answers 503 to the balancer's question (httpd_drain_path).
"""

from __future__ import annotations

import os
import time
from collections.abc import Mapping

TEXT = "The host is away from its load balancer while this file is here; site.yml brings it back.\n"


def is_away(described: Mapping[str, str]) -> bool:
    """Whether the host is marked."""
    return os.path.exists(described["away_file"])


def mark(described: Mapping[str, str], away: bool, seconds: int, check_mode: bool) -> bool:
    """Mark the host as away, or end that; whether it changes something. Raises OSError.

    ``seconds`` is how long a balancer needs until it has seen it.
    """
    path = described["away_file"]
    if is_away(described) == away:
        return False
    if check_mode:
        return True
    if not away:
        os.unlink(path)
        return True
    os.makedirs(os.path.dirname(path), mode=0o755, exist_ok=True)
    with open(path, "w", encoding="utf-8") as stream:
        stream.write(TEXT)
    os.chmod(path, 0o644)  # httpd's children look for it
    # Nobody tells when the last of the balancers has asked often enough; the operator knows how often they do.
    time.sleep(seconds)
    return True
