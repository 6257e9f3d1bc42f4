# SPDX-License-Identifier: Apache-2.0
"""What the host has served before us answers as it did, and a change that would hurt it goes back."""

from __future__ import annotations

from support.deployment import deploy
from support.managed_host import ManagedHost
from support.site import Site
from support.sites_of_others import OF_OTHERS, of_others

FORBIDDEN = """\
<LocationMatch "^/$">
    Require all denied
</LocationMatch>
"""


def test_sites_of_others_answer_beside_ours(machine: ManagedHost, shop: Site) -> None:
    assert of_others(machine) == OF_OTHERS
    assert shop.health() == 200


def test_a_change_after_which_they_answer_worse_goes_back_and_is_told(machine: ManagedHost, shop: Site) -> None:
    run = deploy(variables={"httpd_extra_config": FORBIDDEN})
    assert run.status != 0
    assert (
        "The site of others in /etc/apache2/sites-enabled/tool.conf, line 2, answered http://tool.example:8070/ with "
        "status 200 before the change, and with status 403 now"
    ) in run.message
    assert "httpd was reloaded. The sites of others answer as before. The previous site was asked, and answers." in (
        run.message
    )
    assert of_others(machine) == OF_OTHERS
    assert shop.health() == 200
