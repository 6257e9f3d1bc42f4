# SPDX-License-Identifier: Apache-2.0
"""What all unit tests need of the process that runs them."""

from __future__ import annotations

import signal

# Whoever started the tests in the background may have had these ignored, and what the tests begin would inherit that.
signal.signal(signal.SIGINT, signal.default_int_handler)
for _number in (signal.SIGHUP, signal.SIGQUIT):
    signal.signal(_number, signal.SIG_DFL)
