# SPDX-License-Identifier: Apache-2.0
"""An application whose import fails."""

from __future__ import annotations

raise RuntimeError("the database of the blog is not configured")
