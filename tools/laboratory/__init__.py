# SPDX-License-Identifier: Apache-2.0
"""The lab: Python environment, collections, Docker engine and test host images of this repository.

Only the standard library is used: this package runs before the environment exists.
"""
