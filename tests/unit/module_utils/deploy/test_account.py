# SPDX-License-Identifier: Apache-2.0
"""An application gets no account and no group that has rights of root or of others; it is told before any change."""

from __future__ import annotations

import grp
import pwd
import re
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.modwsgi.deploy.plugins.module_utils.deploy import account
from ansible_collections.modwsgi.deploy.plugins.module_utils.deploy.account import AccountError, Accounts
from support.scripts import ROOT

USERS = {
    "root": (0, 0), "toor": (0, 1000), "daemon": (1, 1), "bin": (2, 2), "man": (6, 12), "mail": (8, 8),
    "backup": (34, 34), "www-data": (33, 33), "_apt": (42, 65534), "messagebus": (100, 102), "polkitd": (996, 996),
    "systemd-network": (998, 998), "wsgi-shop": (990, 990), "developer": (1000, 1000), "alias": (1001, 0),
}  # fmt: skip
BASE_GROUPS = {
    "root": 0, "adm": 4, "tty": 5, "disk": 6, "mail": 8, "kmem": 15, "sudo": 27, "www-data": 33, "backup": 34,
    "shadow": 42, "utmp": 43, "video": 44, "staff": 50, "systemd-journal": 999, "docker": 105, "lxd": 106,
    "ssl-cert": 103, "wsgi-shop": 990, "developer": 1000, "friends": 1002, "zero": 0, "engine": 105,
}  # fmt: skip


class Host:
    """The accounts of a host, as the C library tells them."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.groups = dict(BASE_GROUPS)
        self.members: dict[str, list[str]] = {}
        monkeypatch.setattr(pwd, "getpwnam", self.user)
        monkeypatch.setattr(grp, "getgrnam", self.group)
        monkeypatch.setattr(grp, "getgrgid", self.group_of)
        monkeypatch.setattr("os.getgrouplist", self.list_of)

    def user(self, name: str) -> pwd.struct_passwd:
        uid, gid = USERS[name]
        return pwd.struct_passwd((name, "x", uid, gid, "", "/", "/usr/sbin/nologin"))

    def group(self, name: str) -> grp.struct_group:
        return grp.struct_group((name, "x", self.groups[name], []))

    def group_of(self, gid: int) -> grp.struct_group:
        return self.group(next(name for name, number in self.groups.items() if number == gid))

    def list_of(self, user: str, gid: int) -> list[int]:
        return [gid, *(self.groups[name] for name in self.members.get(user, []))]


@pytest.fixture(name="host")
def fixture_host(monkeypatch: pytest.MonkeyPatch) -> Host:
    return Host(monkeypatch)


def application(user: str = "wsgi-shop", group: str = "wsgi-shop", **keys: Any) -> dict[str, Any]:
    return {"name": "shop", "user": user, "group": group, "daemon_groups": [], **keys}


def refusal(**keys: Any) -> str:
    with pytest.raises(AccountError) as error:
        account.refuse_powerful(application(**keys), "www-data")
    return str(error.value)


@pytest.mark.parametrize("group", sorted(account.GROUPS))
@pytest.mark.parametrize("there", [True, False], ids=["there", "not there yet"])
def test_a_group_that_is_worth_root_is_refused_wherever_it_is_named(host: Host, group: str, there: bool) -> None:
    host.groups.pop(group, None)
    if there:
        host.groups[group] = BASE_GROUPS.get(group, 7000)
    reason = f"{group} is the group {group}, which {account.GROUPS[group]}; choose another group."
    assert refusal(group=group) == f"wsgi_apps: application 'shop', key group: {reason}"
    options = {"daemon_options": {"supplementary_groups": ["friends", group]}}
    where = "daemon_options.supplementary_groups"
    assert refusal(**options) == f"wsgi_apps: application 'shop', key {where}: {reason}"
    assert f"key daemon_groups[1].{where}: {reason}" in refusal(daemon_groups=[{"name": "slow"}, options])
    if there:
        host.members["developer"] = ["friends", group]
        assert refusal(user="developer", group="developer") == (
            f"wsgi_apps: application 'shop', key user: developer is in the group {group}, which "
            f"{account.GROUPS[group]}; take it out of that group, or choose another account."
        )


def test_the_documentation_names_groups_that_are_refused() -> None:
    text = (ROOT / "docs" / "security.md").read_text()
    sentence = text.partition("- groups that are worth root (")[2].partition("by name and by id")[0]
    named = re.findall(r"`([a-z-]+)`", sentence)
    assert len(named) > 5
    assert set(named) <= set(account.GROUPS)


@pytest.mark.parametrize(("alias", "group"), [("zero", "root"), ("engine", "docker")])
@pytest.mark.usefixtures("host")
def test_a_group_is_known_by_its_id(alias: str, group: str) -> None:
    assert f"key group: {alias} is the group {group}, which" in refusal(group=alias)


@pytest.mark.usefixtures("host")
def test_the_primary_group_of_an_account_counts() -> None:
    assert "key user: alias is in the group root, which" in refusal(user="alias", group="friends")


@pytest.mark.parametrize(
    ("user", "sentence"),
    [
        ("root", "root has user id 0 on this host, and an application must not run as root;"),
        ("toor", "toor has user id 0 on this host, and an application must not run as root;"),
        ("daemon", "daemon has user id 1 on this host, which belongs to Debian's base system;"),
        ("bin", "bin has user id 2 on this host, which belongs to Debian's base system;"),
        ("man", "man has user id 6 on this host, which belongs to Debian's base system;"),
        ("backup", "backup has user id 34 on this host, which belongs to Debian's base system;"),
        ("_apt", "_apt has user id 42 on this host, which belongs to Debian's base system;"),
        ("messagebus", "messagebus is an account of the system, which has the bus over which root's services are"),
        ("polkitd", "polkitd is an account of the system, which decides who may do what only root may;"),
        ("systemd-network", "systemd-network is an account of the system, which runs a service of systemd;"),
        ("systemd-timesync", "systemd-timesync is an account of the system, which runs a service of systemd;"),
    ],
)
@pytest.mark.usefixtures("host")
def test_an_account_that_the_system_relies_on_is_refused(user: str, sentence: str) -> None:
    assert refusal(user=user, group="wsgi-shop").startswith(f"wsgi_apps: application 'shop', key user: {sentence}")


@pytest.mark.parametrize(
    ("user", "group"),
    [
        ("wsgi-shop", "wsgi-shop"),
        ("wsgi-new", "wsgi-new"),
        ("developer", "developer"),
        ("developer", "www-data"),  # httpd may read what it writes
        ("www-data", "www-data"),  # embedded
        ("developer", "video"),
    ],
)
def test_ordinary_accounts_are_taken(host: Host, user: str, group: str) -> None:
    host.members["developer"] = ["friends", "www-data"]
    account.refuse_powerful(application(user, group, daemon_options={"supplementary_groups": ["www-data"]}), "www-data")


def test_all_applications_are_looked_at_before_anything_is_made(
    host: Host, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("CODE_ROOT", "STATE_ROOT", "CONFIGURATION_ROOT"):
        monkeypatch.setattr(account, name, str(tmp_path / name.lower()))
    monkeypatch.setattr(Accounts, "_run", lambda *_: pytest.fail("an account was made"))
    with pytest.raises(AccountError, match="application 'shop', key group: docker is the group docker"):
        Accounts(check_mode=False, server_user="www-data").ensure(
            [application("wsgi-new", "wsgi-new"), application(group="docker")]
        )
    assert list(tmp_path.iterdir()) == []
    assert host.groups == BASE_GROUPS
