# SPDX-License-Identifier: Apache-2.0
"""What a run for some applications alone leaves as it is: files of the others, and what it must not change for them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from ansible_collections.modwsgi.deploy.plugins.module_utils.deploy.only import Only
from ansible_collections.modwsgi.deploy.plugins.module_utils.instance import instance
from ansible_collections.modwsgi.deploy.plugins.plugin_utils import settings
from ansible_collections.modwsgi.deploy.plugins.plugin_utils.site import auth
from support.applications import HASH, App, complete, contents

PROBES = "sites-available/060-modwsgi-probes.conf"
SERVER = "/etc/apache2"


@pytest.fixture(name="shop")
def fixture_shop(tmp_path: Path) -> App:
    (tmp_path / "wsgi.py").touch()
    login = {"path": "/p", "realm": "x", "users": {"ann": HASH}}
    source = {"directory": str(tmp_path)}
    return {"name": "shop", "source": source, "server_name": "shop.example", "auth": [login]}


@pytest.fixture(name="blog")
def fixture_blog(shop: App) -> App:
    return {**shop, "name": "blog", "server_name": "blog.example", "default_vhost": True}


@pytest.fixture(name="part")
def fixture_part(shop: App) -> App:
    """An application in the vhost of the shop."""
    return {**shop, "name": "part", "path": "/part"}


def only(inventory: list[App], names: set[str], served: list[App]) -> Only:
    """A run for these names, on a host that serves this."""
    everything = complete(*inventory)
    return Only(
        [each for each in everything if each["name"] in names],
        [each for each in everything if each["name"] not in names],
        {"applications": complete(*served)},
        instance("apache2"),
    )


def of_site(name: str, *, default: bool = False) -> set[str]:
    file = f"{'000-modwsgi-default' if default else '100-modwsgi'}-{name}.conf"
    return {f"{SERVER}/sites-{kind}/{file}" for kind in ("available", "enabled")}


def logs(name: str) -> set[str]:
    return {f"/var/log/apache2/{name}-{kind}.log" for kind in ("access", "error")}


def test_each_file_is_known_by_its_application(shop: App, blog: App) -> None:
    """As the control node names them."""
    applications = [shop, {**blog, "mode": "embedded"}]
    run = only(applications, {"shop"}, applications)
    paths = [*contents(complete(*applications)), *auth.user_files(settings.applications(applications))]
    owned: dict[str, set[str]] = {}
    for path in paths:
        complete_path = path if path.startswith("/") else f"{SERVER}/{path}"
        owned.setdefault(run.site_of(complete_path), set()).add(complete_path)
    assert owned["shop"] == of_site("shop") | logs("shop") | {f"{SERVER}/modwsgi-users/shop-0"}
    embedded = {"/usr/local/lib/modwsgi/embedded/blog.py", f"{SERVER}/modwsgi-users/blog-0"}
    assert owned["blog"] == of_site("blog", default=True) | logs("blog") | embedded
    assert f"{SERVER}/{PROBES}" in owned[""]
    assert {path for path in owned[""] if "shop" in path or "blog" in path} == set()


def test_the_files_of_others_stay_and_those_that_all_share_follow(shop: App, blog: App) -> None:
    """Where only the shop changes what all share."""
    run = only([{**shop, "server_name": "new.example"}, blog], {"shop"}, [shop, blog])
    mine = [*of_site("shop"), *of_site("shop", default=True), *logs("shop"), f"{SERVER}/{PROBES}"]
    theirs = [*of_site("blog"), *of_site("blog", default=True), *logs("blog"), *of_site("gone")]
    assert not any(map(run.stays, mine))
    assert all(map(run.stays, theirs))
    assert run.problem(theirs) == ""
    (sentence,) = run.waiting(theirs)
    assert sentence.startswith("The configuration of blog and gone is not as the inventory says; it waits for a run")
    assert run.waiting([]) == []


@pytest.mark.parametrize(
    "change",
    [
        {"server_name": "other.example"},
        {"mode": "embedded"},
        {"tls": {"self_signed": True}},
        {"daemon_groups": [{"name": "slow", "paths": ["/slow"]}]},
    ],
)
def test_what_others_would_change_of_what_all_share_waits(shop: App, blog: App, change: App) -> None:
    run = only([shop, {**blog, **change}], {"shop"}, [shop, blog])
    assert run.stays(f"{SERVER}/{PROBES}")
    assert run.problem([f"{SERVER}/{PROBES}"]) == ""
    assert "of blog is not" in run.waiting([f"{SERVER}/{PROBES}"])[0]


def test_a_change_of_others_that_concerns_them_alone_is_in_nobody_s_way(shop: App, blog: App) -> None:
    run = only([{**shop, "server_name": "new.example"}, {**blog, "threads": 7}], {"shop"}, [shop, blog])
    assert not run.stays(f"{SERVER}/{PROBES}")


@pytest.mark.parametrize("others", ["new", "changed", "gone"])
def test_what_both_would_change_of_what_all_share_is_refused(shop: App, blog: App, others: str) -> None:
    moved = {**shop, "server_name": "new.example"}
    served = [shop] if others == "new" else [shop, blog]
    inventory = {"new": [moved, blog], "changed": [moved, {**blog, "mode": "embedded"}], "gone": [moved]}[others]
    run = only(inventory, {"shop"}, served)
    assert run.problem([f"{SERVER}/{PROBES}", *of_site("blog")]) == (
        f"{SERVER}/{PROBES} would change for shop, and for blog as well, which wsgi_only leaves out; name all of them "
        "in wsgi_only, or run without it."
    )
    assert run.problem(of_site("blog")) == "", "as long as it need not change"


def test_a_vhost_of_several_applications_changes_for_all_of_them(shop: App, part: App) -> None:
    run = only([shop, part], {"part"}, [shop, part])
    (path, *_) = sorted(of_site("shop"))
    assert run.stays(path)
    assert run.problem([path]).startswith(
        f"{path} is not as the inventory says, and it is for part and shop together, of"
    )
    assert not only([shop, part], {"part", "shop"}, [shop, part]).stays(path)


def test_the_host_is_proven_as_a_whole(shop: App, blog: App) -> None:
    served = complete(shop, blog)
    new: dict[str, Any] = {**served[1], "threads": 9}
    run = Only([new], [], {"applications": served}, instance("apache2"))
    assert run.proving({"applications": [new], "private_port": 297}) == {
        "applications": [served[0], new],
        "private_port": 297,
    }
