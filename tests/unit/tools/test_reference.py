# SPDX-License-Identifier: Apache-2.0
"""What derives from the directives of mod_wsgi is made from them, and a stale file is found."""

from __future__ import annotations

import re

import yaml
from ansible_collections.modwsgi.deploy.plugins.plugin_utils.mod_wsgi import directives
from ansible_collections.modwsgi.deploy.plugins.plugin_utils.mod_wsgi.directives import LOCATION, SERVER, VHOST
from support.scripts import ROOT, load_script

tool = load_script("tools/reference.py")


def test_the_argument_specifications_have_every_key() -> None:
    of_module = yaml.safe_load((ROOT / tool.SPECIFICATIONS["mod_wsgi"]).read_text())["argument_specs"]["main"][
        "options"
    ]
    of_application = yaml.safe_load((ROOT / tool.SPECIFICATIONS["wsgi_app"]).read_text())["argument_specs"]["main"]
    keys = of_application["options"]["wsgi_apps"]["options"]
    assert set(of_module["mod_wsgi_directives"]["options"]) == set(directives.at(SERVER))
    assert set(keys["daemon_options"]["options"]) == set(directives.daemon_options())
    assert keys["daemon_options"] == keys["daemon_groups"]["options"]["daemon_options"]
    vhost = keys["wsgi_directives"]["options"]
    assert set(vhost) == set(directives.at(VHOST)) | {"locations"}
    assert set(vhost["locations"]["options"]) == set(directives.at(LOCATION)) | {"path"}


def test_the_reference_tells_of_changed_meanings() -> None:
    text = tool.reference()
    for version, name in (("6.0.2", "response-buffer-size"), ("6.0.0", "request-timeout")):
        after = text.partition(f"- **{version}**\n")[2].partition("- **")[0]
        assert f"changed: `{name}`." in after


def is_documented(key: str) -> bool:
    """Whether docs/variables.md has a variable, or a key of an application or of a dictionary."""
    documented = (ROOT / "docs" / "variables.md").read_text(encoding="utf-8")
    variable, _, nested = key.replace("wsgi_apps[]", "wsgi_apps").partition(".")
    return f"### `{variable}`\n" in documented and (not nested or f"| `{nested}` |" in documented)


def test_all_that_sets_a_directive_exists() -> None:
    tables = (directives.DIRECTIVES, directives.DAEMON_OPTIONS, directives.SCRIPT_ALIAS_OPTIONS)
    named = {key for name in tables for setting in directives.table(name) for key in setting.set_by}
    assert len(named) > 20
    assert [key for key in sorted(named) if not is_documented(key)] == []


def test_all_that_takes_the_place_of_an_option_of_express_exists() -> None:
    named = {
        key
        for _, ours in directives.express()
        for key in re.findall(r"C\(((?:httpd|mod_wsgi|wsgi_apps)[a-z_]*(?:\[\])?(?:\.[a-z_.\[\]]+)?)", ours)
    }
    assert len(named) > 60
    assert [key for key in sorted(named) if not is_documented(key)] == []
