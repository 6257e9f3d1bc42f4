# SPDX-License-Identifier: Apache-2.0
"""Where code comes from, and what leads out of it."""

from __future__ import annotations

import json

import pytest
from ansible_collections.modwsgi.deploy.plugins.plugin_utils.site import apps, source
from support.applications import App, complete, problems, refused

HTTPS = {"git": "https://git.example.com/shop.git"}
SSH = {"git": "git@git.example.com:shop.git"}
KEY = "-----BEGIN OPENSSH PRIVATE KEY-----\nsecret\n-----END OPENSSH PRIVATE KEY-----\n"

CASES: list[tuple[App, str]] = [
    ({"script": "/etc/passwd"}, "script: leads out of the source"),
    ({"script": "../outside.py"}, "script: leads out of the source"),
    ({"script": "link.py"}, "script: is a link that leads out of the source"),
    ({"script": "app.py"}, "script: 'app.py' is not in the source"),
    ({"script": "assets"}, "script: 'assets' is a folder in the source"),
    ({"requirements": "dev.txt"}, "requirements: 'dev.txt' is not in the source"),
    ({"requirements": "pyproject.toml"}, "requirements: is no requirements file of pip's; name one"),
    ({"requirements": "app/poetry.lock"}, "requirements: is no requirements file of pip's; name one"),
    ({"python_path": ["lib"]}, "python_path[0]: 'lib' is not in the source"),
    ({"static_root": "."}, "static_root: a folder of its own"),
    ({"release_commands": ["echo 'x"]}, "release_commands[0]: cannot be split into words"),
    ({"release_commands": [["echo", "a\x00b"]]}, "release_commands[0]: the command holds a NUL byte"),
    ({"release_commands": [[]]}, "release_commands[0]: the command is empty"),
    ({"release_commands": [{"once": True}]}, "release_commands[0]: the command is empty"),
    ({"release_commands": [{"command": "x", "one": True}]}, "release_commands[0]: it has one, which is not known; it"),
    (
        {"release_commands": [{"command": "x", "once": "no"}]},
        "release_commands[0].once: 'no' is neither true nor false",
    ),
    ({"rollback_commands": ["true", "echo 'x"]}, "rollback_commands[1]: cannot be split into words"),
    ({"rollback_commands": [""]}, "rollback_commands[0]: the command is empty"),
    ({"source": {}}, "source: neither directory nor git is given"),
    ({"source": {"directory": "/a", "git": "https://b"}}, "source: both directory and git are given"),
    ({"source": {"directory": "shop"}}, "source.directory: is not absolute"),
    ({"source": {"directory": "/does/not/exist"}}, "source.directory: is not a folder on the control node"),
    ({"source": {"git": "ext::sh -c id"}}, "source.git: is not a git address"),
    ({"source": {"git": "--upload-pack=id"}}, "source.git: is not a git address"),
    ({"source": {"git": "https://u:secret@git.example/x"}}, "source.git: the address holds a user or a password"),
    ({"source": {"git": "https://token@git.example/x"}}, "source.git: the address holds a user or a password"),
    ({"source": {"git": "HTTPS://token@git.example/x"}}, "source.git: the address holds a user or a password"),
    ({"source": {"git": "ssh://git:secret@git.example/x"}}, "source.git: the address holds a user or a password"),
    ({"source": {"git": "git:secret@git.example:x"}}, "source.git: is not a git address"),
    ({"source": {**HTTPS, "credentials": {"password": "secret"}}}, "source.credentials.username: no username with"),
    ({"source": {**HTTPS, "credentials": {"username": "u"}}}, "source.credentials.password: no password or token"),
    (
        {"source": {**HTTPS, "credentials": {"username": "u", "password": "secret\n"}}},
        "source.credentials.password: it holds a newline",
    ),
    ({"source": {**HTTPS, "credentials": {"ssh_key": KEY}}}, "source.credentials.ssh_key: it is for ssh"),
    (
        {"source": {**SSH, "credentials": {"username": "u", "password": "secret"}}},
        "source.credentials.password: it is for https",
    ),
    ({"source": {**SSH, "credentials": {"ssh_key": "secret"}}}, "source.credentials.ssh_key: not the text of a"),
    ({"pip": {"ssh_key": "secret"}}, "pip.ssh_key: not the text of a private key"),
    ({"pip": {"index_url": "https://u:secret@x/simple"}}, "pip.index_url: the address holds a user or a password"),
    ({"pip": {"index_url": "x/simple"}}, "pip.index_url: it is not the address of an index"),
    (
        {"pip": {"extra_index_urls": ["https://x", "https://x y"]}},
        "pip.extra_index_urls[1]: it is not the address of an",
    ),
    ({"pip": {"trusted_ca": "/etc/ca.pem"}}, "pip.trusted_ca: it is not the text of certificates"),
    ({"pip": {"netrc": "login u password secret"}}, "pip.netrc: it has no entry"),
    ({"source": {"git": "https://git.example/x", "version": "--all"}}, "source.version: is not a branch, a tag"),
]


@pytest.mark.parametrize(("change", "start"), CASES)
def test_a_defect_is_named_in_one_sentence(shop: App, change: App, start: str) -> None:
    refused(shop, change, start)


def test_a_script_that_is_excluded_is_missed(shop: App) -> None:
    shop["source"]["exclude"] = ["*.py"]
    refused(shop, {}, "script: 'wsgi.py' is in the source, but an exclude pattern leaves it out")


def test_credentials_are_nowhere_but_in_their_own_option(shop: App) -> None:
    git = {"username": "u", "password": "git-secret", "known_hosts": "", "ssh_key": None}
    shop |= {"source": {**HTTPS, "credentials": git}, "pip": {"netrc": "machine x\npassword pip-secret\n"}}
    shop["pip"] |= {"extra_index_urls": ["https://x/simple"]}
    assert problems(shop) == []
    assert "secret" not in json.dumps(apps.without_environments(complete(shop)))
    assert source.credentials([shop, {"name": "other", "source": HTTPS}]) == {
        "shop": {
            "git": {"username": "u", "password": "git-secret"},
            "pip": {"netrc": "machine x\npassword pip-secret\n", "extra_index_urls": ["https://x/simple"]},
        }
    }


@pytest.mark.parametrize(
    "address", ["git@git.example.com:shop.git", "ssh://git@git.example.com:2222/shop.git", "/srv/git/a@b.git"]
)
def test_a_user_of_ssh_is_no_secret(shop: App, address: str) -> None:
    assert problems({**shop, "source": {"git": address}}) == []


def test_the_complete_form(shop: App) -> None:
    commands = {key: ["python manage.py 'a b'"] for key in ("release_commands", "rollback_commands")}
    (found,) = complete({**shop, **commands, "script": "./wsgi.py"})
    assert found["release_commands"] == found["rollback_commands"] == [["python", "manage.py", "a b"]]
    assert found["once"] == []
    assert (found["source"], found["script"]) == ({**shop["source"], "exclude": []}, "wsgi.py")


def test_how_often_a_command_runs_is_beside_what_it_is(shop: App) -> None:
    """So that `once` alone prepares no release again."""
    once = {"command": "python manage.py migrate", "once": True}
    (found,) = complete({**shop, "release_commands": ["true", once, {"command": ["a", "b c"]}]})
    assert found["release_commands"] == [["true"], ["python", "manage.py", "migrate"], ["a", "b c"]]
    assert found["once"] == [1]
