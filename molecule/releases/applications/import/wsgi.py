# SPDX-License-Identifier: Apache-2.0
"""A release that does not load."""

raise RuntimeError("the release cannot be imported")
