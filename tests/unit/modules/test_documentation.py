# SPDX-License-Identifier: Apache-2.0
"""What a module documents is what it takes."""

from __future__ import annotations

import importlib
import json
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
import yaml
from ansible.utils.plugin_docs import get_docstring
from support.scripts import ROOT

MODULES = ROOT / "plugins" / "modules"
NAMES = sorted(path.stem for path in MODULES.glob("*.py") if path.stem != "__init__")


class SpecifiedError(Exception):
    """Raised in place of running a module."""

    def __init__(self, specification: Mapping[str, Any]) -> None:
        super().__init__()
        self.specification = specification


class Fragments:
    """Finds the documentation that modules share; Ansible's own loader needs its importer of collections."""

    def get(self, name: str, **_: Any) -> object:
        """The fragments of a name, or None."""
        collection, _, file = name.rpartition(".")
        if collection != "modwsgi.deploy":
            return None
        package = "ansible_collections.modwsgi.deploy.plugins.doc_fragments"
        fragment = importlib.import_module(f"{package}.{file}").ModuleDocFragment()
        fragment.ansible_name = fragment._load_name = name
        return fragment


def specification(name: str, monkeypatch: pytest.MonkeyPatch) -> Mapping[str, Any]:
    """What the module gives to AnsibleModule."""

    def capture(**arguments: Any) -> None:
        raise SpecifiedError(arguments["argument_spec"])

    module = importlib.import_module(f"ansible_collections.modwsgi.deploy.plugins.modules.{name}")
    monkeypatch.setattr(module, "AnsibleModule", capture)
    with pytest.raises(SpecifiedError) as captured:
        module.main()
    return captured.value.specification


def compared(option: Mapping[str, Any], nested: str) -> dict[str, Any]:
    """What has to be the same on both sides, as JSON has it."""
    return {
        "type": option.get("type", "str"),
        "required": bool(option.get("required", False)),
        "default": option.get("default"),
        "choices": list(option.get("choices") or []),
        "elements": option.get("elements"),
        "options": {name: compared(value, nested) for name, value in (option.get(nested) or {}).items()},
    }


def test_there_are_modules() -> None:
    assert "httpd_config" in NAMES


@pytest.mark.parametrize("name", NAMES)
def test_each_option_is_documented_as_it_is(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    documentation, examples, results, _ = get_docstring(
        str(MODULES / f"{name}.py"), Fragments(), collection_name="modwsgi.deploy"
    )
    documented = {key: compared(value, "suboptions") for key, value in (documentation.get("options") or {}).items()}
    taken = {key: compared(value, "options") for key, value in specification(name, monkeypatch).items()}
    assert documented == taken
    assert documentation["module"] == name
    assert examples
    assert results
    assert all(option["description"] for option in documentation["options"].values())


REFERENCE = re.compile(r"As O\(modwsgi\.deploy\.\w+#module:\w+\)\.")


def test_what_several_modules_say_of_an_option_stands_once() -> None:
    """In a fragment, or where one module refers to another one."""
    said: dict[tuple[str, str], list[str]] = {}
    for name in NAMES:
        text = importlib.import_module(f"ansible_collections.modwsgi.deploy.plugins.modules.{name}").DOCUMENTATION
        for option, told in (yaml.safe_load(text).get("options") or {}).items():
            if not REFERENCE.fullmatch(str(told.get("description"))):
                said.setdefault((option, json.dumps(told)), []).append(name)
    assert [(option, names) for (option, _), names in said.items() if len(names) > 1] == []


PLUGINS = MODULES.parent
NAMED = re.compile(r"M\(modwsgi\.deploy\.(\w+)\)|O\(modwsgi\.deploy\.(\w+)#module:(\w+)")


@pytest.mark.parametrize("file", sorted(PLUGINS.rglob("*.py")), ids=lambda file: f"{file.parent.name}/{file.name}")
def test_a_module_or_option_that_a_text_names_is_there(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for module, owner, option in NAMED.findall(file.read_text(encoding="utf-8")):
        assert (module or owner) in NAMES
        assert not option or option in specification(owner, monkeypatch)
