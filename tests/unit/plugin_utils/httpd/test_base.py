# SPDX-License-Identifier: Apache-2.0
"""The files of the base configuration, and who can read them."""

from __future__ import annotations

import pytest
from support.preflight import base


@pytest.mark.parametrize(("instance", "mode"), [("apache2", "0640"), ("container", None)])
def test_what_a_user_has_written_only_root_can_read_where_root_starts_httpd(instance: str, mode: str | None) -> None:
    files = base(httpd_instance=instance, httpd_extra_config="RequestHeader set X-Key a-secret").files()
    holding = [each for each in files if "a-secret" in str(each)]
    assert [(each["path"], each.get("mode")) for each in holding] == [("conf-available/modwsgi-extra.conf", mode)]
