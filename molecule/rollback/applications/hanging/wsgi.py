# SPDX-License-Identifier: Apache-2.0
"""An application whose import hangs, as when it waits for a database that does not answer."""

from __future__ import annotations

import time

time.sleep(3000)
