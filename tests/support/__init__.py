# SPDX-License-Identifier: Apache-2.0
"""What the scenarios' tests share: a managed host, a client of its sites, and a run of site.yml."""
