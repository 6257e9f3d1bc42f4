# SPDX-License-Identifier: Apache-2.0
"""What is better in `environment`, and what some applications have in their source."""

KEY = "the-key-in-the-source-of-the-victim"
