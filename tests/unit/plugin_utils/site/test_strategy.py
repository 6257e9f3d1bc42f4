# SPDX-License-Identifier: Apache-2.0
"""Two daemon process groups for one application, in httpd's words."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.modwsgi.deploy.plugins.module_utils.instance import instance
from ansible_collections.modwsgi.deploy.plugins.plugin_utils import settings
from ansible_collections.modwsgi.deploy.plugins.plugin_utils.httpd.sizing import part_of_memory, sizes
from ansible_collections.modwsgi.deploy.plugins.plugin_utils.site import apps, strategy
from ansible_collections.modwsgi.deploy.plugins.plugin_utils.site.daemon import unknown_groups
from ansible_collections.modwsgi.deploy.plugins.plugin_utils.site.files import files
from support.applications import App, complete

SCRIPT = {"script": "a.py"}
CANARY = "releases.canary.percent"
BLUE_GREEN = {"releases": {"strategy": "blue_green"}}


def canary(**settings: int) -> App:
    """The key `releases` of an application that tries its releases."""
    return {"releases": {"strategy": "blue_green", "canary": settings}}


def problems(*written: App) -> list[str]:
    return apps.problems(list(written), [80])


def rendered(*written: App) -> dict[str, str]:
    """The files by the end of their paths."""
    made = files(complete(*written), instance("apache2"))
    return {file["path"].rpartition("/")[2]: file["content"] for file in made if "content" in file}


@pytest.fixture(name="coloured")
def fixture_coloured(shop: App) -> dict[str, Any]:
    return {**shop, **BLUE_GREEN}


def test_httpd_asks_the_group_that_the_file_names(coloured: App) -> None:
    vhost = rendered(coloured)["100-modwsgi-shop.conf"]
    assert "    RewriteMap modwsgi-shop txt:/srv/wsgi/shop/active\n" in vhost
    assert "    RewriteRule ^ - [E=MODWSGI_GROUP_shop:${modwsgi-shop:active|shop:blue}]\n" in vhost
    assert "WSGIProcessGroup %{ENV:MODWSGI_GROUP_shop}" in vhost
    assert "WSGIScriptAlias / /usr/local/lib/modwsgi/launcher.py\n" in vhost, "an alias would load it in one group"
    for colour in ("blue", "green"):
        assert f"WSGIDaemonProcess shop:{colour} " in vhost
        assert f"display-name=({colour}:shop) " in vhost
        assert f"python-home=/srv/wsgi/shop/venv-{colour} home=/srv/wsgi/shop/current-{colour} " in vhost
        assert f"WSGIImportScript /usr/local/lib/modwsgi/launcher.py process-group=shop:{colour} " in vhost


def test_the_rule_comes_before_those_that_end_the_rewriting(coloured: App) -> None:
    static = {"url": "/static", "directory": "static", "precompressed": True}
    vhost = rendered({**coloured, "static": [static]})["100-modwsgi-shop.conf"]
    assert vhost.index("E=MODWSGI_GROUP_shop") < vhost.index("[PT,L]")


def test_both_groups_are_probed(coloured: App) -> None:
    (application,) = complete(coloured)
    assert application["probed_groups"] == ["shop:blue", "shop:green"]
    assert application["startup_timeouts"] == {"shop:blue": 15, "shop:green": 15}
    assert application["all_processes"] == 2, "that serve"
    probes = rendered(coloured)["060-modwsgi-probes.conf"]
    for colour in ("blue", "green"):
        assert f"    <Location /probe/shop:{colour}>\n" in probes
        assert f"        WSGIProcessGroup shop:{colour}\n" in probes


REPORTS = {"daemon_groups": [{"name": "reports", "paths": ["/reports", "/export"], "threads": 3}]}


def test_further_groups_take_their_turn_with_the_first(coloured: App) -> None:
    made = rendered({**coloured, **REPORTS})
    vhost = made["100-modwsgi-shop.conf"]
    rule = "    RewriteRule ^ - [E=MODWSGI_GROUP_shop.reports:%{ENV:MODWSGI_GROUP_shop}:reports]\n"
    assert vhost.index("[E=MODWSGI_GROUP_shop:${") < vhost.index(rule)
    for path in ("/reports", "/export"):
        location = f"<Location {path}>\n        WSGIProcessGroup %{{ENV:MODWSGI_GROUP_shop.reports}}\n"
        assert location in vhost
    for colour in ("blue", "green"):
        define = vhost[vhost.index(f"WSGIDaemonProcess shop:{colour}:reports ") :].partition("WSGIDaemonProcess")[2]
        assert "processes=1 threads=3 " in define.partition("request-timeout")[0]
        assert f"display-name=({colour}:shop) " in define.partition("request-timeout")[0]
        assert f"home=/srv/wsgi/shop/current-{colour} " in define.partition("lang=")[0]
        assert f"launcher.py process-group=shop:{colour}:reports " in vhost
    (application,) = complete({**coloured, **REPORTS})
    every = ["shop:blue", "shop:blue:reports", "shop:green", "shop:green:reports"]
    assert application["probed_groups"] == every
    assert application["startup_timeouts"] == dict.fromkeys(every, 15)
    assert application["all_processes"] == 3, "that serve"


def test_the_group_at_rest_is_asked_for_their_paths_too(coloured: App) -> None:
    probes = rendered({**coloured, **REPORTS, "health": {"path": "/reports/healthz"}})["060-modwsgi-probes.conf"]
    resting = "[E=MODWSGI_GROUP_shop:${modwsgi-shop:resting|shop:blue}]"
    assert probes.index(resting) < probes.index("[E=MODWSGI_GROUP_shop.reports:%{ENV:MODWSGI_GROUP_shop}:reports]")
    first = probes.index("<Location />\n        WSGIProcessGroup %{ENV:MODWSGI_GROUP_shop}\n")
    second = probes.index("<Location /reports>\n        WSGIProcessGroup %{ENV:MODWSGI_GROUP_shop.reports}\n")
    assert first < second
    assert "    <Location /probe/shop:green:reports>\n" in probes


def test_root_alone_asks_the_release_that_nobody_sees(coloured: App, shop: App) -> None:
    probes = rendered(coloured, {**shop, "name": "blog", "server_name": "blog.example"})["060-modwsgi-probes.conf"]
    vhost = next(part for part in probes.split("<VirtualHost ") if "ServerName shop.example\n" in part)
    rule = "    RewriteRule ^ - [E=MODWSGI_GROUP_shop:${modwsgi-shop:resting|shop:blue}]\n"
    assert f'    RewriteCond "%{{HTTP:X-Modwsgi-Key}}" "!^$"\n{rule}' in vhost
    assert '<LocationMatch "^/healthz$">\n        Require expr ' in vhost
    assert "Require local" not in vhost
    other = next(part for part in probes.split("<VirtualHost ") if "ServerName blog.example\n" in part)
    assert "Rewrite" not in other
    assert "LocationMatch" not in other


def test_what_a_proxy_says_is_believed_there_too(coloured: App) -> None:
    headers = {"health": {"headers": {"X-Forwarded-Proto": "https"}}, "trusted_proxies": ["192.0.2.1"]}
    assert "WSGITrustedProxyHeaders" not in rendered(coloured)["060-modwsgi-probes.conf"]
    probes = rendered({**coloured, **headers})["060-modwsgi-probes.conf"]
    assert "    WSGITrustedProxies 127.0.0.1\n    WSGITrustedProxyHeaders X-Forwarded-Proto\n" in probes


def test_rolling_is_as_it_was(shop: App) -> None:
    made = rendered(shop)
    assert made == rendered({**shop, "releases": {"strategy": "rolling"}})
    assert not any("Rewrite" in text for name, text in made.items() if name.endswith("shop.conf"))
    (application,) = complete(shop)
    assert (application["colours"], application["probed_groups"]) == ([], ["shop"])


def test_mod_rewrite_is_needed(coloured: App) -> None:
    assert "rewrite" in apps.modules(settings.applications([coloured]))


@pytest.mark.parametrize(
    ("change", "key", "text"),
    [
        ({"mode": "embedded"}, "releases.strategy", "mode is embedded"),
        ({"debug": True}, "debug", "debug mode has one process"),
        ({"wsgi_directives": {"import_scripts": [SCRIPT]}}, "wsgi_directives.import_scripts", "loads nothing"),
        (
            {"wsgi_directives": {"dispatch_script": SCRIPT}},
            "wsgi_directives.dispatch_script",
            "may name a process group",
        ),
        ({"daemon_options": {"chroot": "/srv/jail"}}, "daemon_options.chroot", "cannot see which release serves"),
        ({"wsgi_directives": {"restrict_process": ["shop"]}}, "wsgi_directives.restrict_process", "process group"),
        ({"releases": {"strategy": "blue_green", "keep_warm": -1}}, "releases.keep_warm", "-1 is not possible"),
        ({"releases": {"canary": {"percent": 10}}}, "releases.canary.percent", "only blue_green"),
        (canary(percent=7), "releases.canary.percent", "7 is not possible; use a multiple of 5"),
        (canary(percent=55), "releases.canary.percent", "55 is not possible"),
        (canary(percent=-5), "releases.canary.percent", "-5 is not possible"),
        (canary(percent=10, seconds=0), "releases.canary.seconds", "0 is not possible; use 1 to 3600"),
        (canary(percent=10, max_error_percent=101), "releases.canary.max_error_percent", "101 is not possible"),
        ({"releases": {"keep_warm": 604801}}, "releases.keep_warm", "604801 is not possible"),
        (
            {"releases": {"strategy": "blue_green", "overlap": False}},
            "releases.overlap",
            "both releases are loaded at a switch, and releases.strategy is blue_green; use rolling",
        ),
        ({"processes": 1, "releases": {"strategy": "rolling", "canary": {"percent": 10}}}, CANARY, "only blue_green"),
    ],
)
def test_what_does_not_go_together_is_refused(coloured: App, change: App, key: str, text: str) -> None:
    (Path(coloured["source"]["directory"]) / "a.py").touch()
    found = problems({**coloured, **change})
    assert len(found) == 1, found
    assert found[0].startswith(f"wsgi_apps: application 'shop', key {key}: ")
    assert text in found[0]


def test_two_of_one_name_and_path_are_refused(coloured: App) -> None:
    twin = {**coloured, "name": "twin", "port": 8080}
    (found,) = apps.problems([coloured, twin], [80, 8080])
    assert "application 'twin', key releases.strategy: the application 'shop' has the same server_name" in found
    assert apps.problems([coloured, {**twin, "releases": {}}], [80, 8080]) == []


def test_memory_is_counted_twice() -> None:
    def processes(**more: Any) -> int:
        found = sizes(64, 4096, [{"name": "shop"}, {"name": "blog", **more}])
        return int(found["applications"]["shop"]["processes"])

    assert processes(processes=8, **BLUE_GREEN) < processes(processes=8)
    assert processes(**BLUE_GREEN) <= processes()
    groups = {"processes": 1, "daemon_groups": [{"name": "reports", "paths": ["/reports"], "processes": 6}]}
    assert (processes(**groups), processes(**groups, **BLUE_GREEN)) == (8, 2)


def test_options_of_interpreters_name_the_groups(coloured: App) -> None:
    applications = complete({**coloured, **REPORTS})
    for name, count in (("shop:blue", 0), ("shop", 1), ("shop:green:reports", 0), ("shop:reports", 1)):
        options = {"interpreter_options": [{"process_group": name}]}
        assert len(unknown_groups(applications, options)) == count


def test_what_a_release_answers_that_is_tried_is_written_down(coloured: App) -> None:
    tried = {**coloured, **canary(percent=10)}
    vhost = rendered(tried)["100-modwsgi-shop.conf"]
    log = "/var/log/apache2/shop-canary.log"
    condition = "-n reqenv('MODWSGI_CANARY_shop') && %{HANDLER} == 'wsgi-script'"
    assert f'    CustomLog {log} "%<{{MODWSGI_GROUP_shop}}e %>s" "expr={condition}"\n' in vhost, (
        "static files do not count"
    )
    assert "    RewriteMap modwsgi-shop rnd:/srv/wsgi/shop/active\n" in vhost
    rule = "    RewriteRule ^ - [E=MODWSGI_CANARY_shop:1]\n"
    assert f"    RewriteCond ${{modwsgi-shop:canary|off}} =on\n{rule}" in vhost
    logs = [file for file in files(complete(tried), instance("apache2")) if file.get("log")]
    assert {file["path"]: file["mode"] for file in logs}[log] == "0640"
    assert "canary" not in rendered(coloured)["100-modwsgi-shop.conf"]
    assert "canary" not in rendered(tried)["060-modwsgi-probes.conf"]


def test_a_visitor_stays_with_a_release_only_where_that_is_wanted(coloured: App) -> None:
    vhost = rendered({**coloured, **canary(percent=10, seconds=90, sticky=True)})["100-modwsgi-shop.conf"]
    before, _, after = vhost.partition('    RewriteCond %{REQUEST_URI} "^(?:/|$)" [NV]\n')
    assert "E=MODWSGI_GROUP_shop:${modwsgi-shop:active|shop:blue}]" in before, "what chooses comes first"
    cookie = "modwsgi-canary-shop=%{MODWSGI_STICKY_shop}e; Path=/; Max-Age=150; HttpOnly; SameSite=Lax"
    plain, secure = [line.strip() for line in after.splitlines() if "Set-Cookie" in line]
    assert plain.startswith(f'Header always add Set-Cookie "{cookie}" "expr=')
    assert plain.endswith("%{HTTPS} != 'on'\"")
    assert secure.startswith(f'Header always add Set-Cookie "{cookie}; Secure" "expr=')
    assert secure.endswith("%{HTTPS} == 'on'\"")
    files = rendered({**coloured, **canary(percent=10, sticky=True)})
    assert "Set-Cookie" not in files["060-modwsgi-probes.conf"]
    for other in (canary(percent=10), canary(sticky=True)):
        assert "Set-Cookie" not in rendered({**coloured, **other})["100-modwsgi-shop.conf"]


def test_the_cookie_is_for_the_path_of_the_application(coloured: App) -> None:
    shop = {**coloured, **canary(percent=10, sticky=True), "path": "/buy"}
    vhost = rendered(shop)["100-modwsgi-shop.conf"]
    assert "; Path=/buy; Max-Age=" in vhost
    assert 'RewriteCond %{REQUEST_URI} "^/buy(?:/|$)" [NV]\n' in vhost


@pytest.mark.parametrize(
    ("cookies", "chosen"),
    [
        ("modwsgi-canary-shop=17-new", "new"),
        ("a=b; modwsgi-canary-shop=17-old", "old"),
        ("modwsgi-canary-shop=17-new ;a=b", "new"),
        ("modwsgi-canary-shop=16-new", ""),
        ("modwsgi-canary-shop=17-shop:blue", ""),
        ("modwsgi-canary-shop=17-newer", ""),
        ("modwsgi-canary-shop=17-new%2f", ""),
        ("not-modwsgi-canary-shop=17-new", ""),
        ("modwsgi-canary-shop=17@modwsgi-canary-shop=17-new", ""),
        ("18@; modwsgi-canary-shop=18-new", ""),
        ("", ""),
    ],
)
def test_a_cookie_chooses_between_two_and_nothing_else(coloured: App, cookies: str, chosen: str) -> None:
    (shop,) = complete({**coloured, **canary(percent=10, sticky=True)})
    (condition,) = [line for line in strategy.sticky_lines(shop) if "HTTP_COOKIE" in line]
    pattern = condition.split('"')[3]
    found = re.search(pattern, f"17@{cookies}")
    assert (found[2] if found else "") == chosen


HOST = {"cores": 2, "memory_mebibytes": 1024, "foreign": {}, "blue_green": []}
SERVER = {"version": "6.1.1", "directives": {}, "site_modules": "all"}


class TestDefault:
    """Where nobody says how releases change, the host decides."""

    def decided(self, *written: App, server: App | None = None, **host: Any) -> dict[str, str]:
        typed = settings.applications(list(written))
        return strategy.defaults(typed, {**HOST, **host}, {**SERVER, **(server or {})})

    @pytest.mark.parametrize(
        ("memory", "coloured", "expected"),
        [
            # Two processes, 150 MiB each, twice, in six tenths of the memory.
            (1000, [], "blue_green"),
            (999, [], "rolling"),
            (999, ["shop"], "blue_green"),
            (800, ["shop"], "blue_green"),
            (799, ["shop"], "rolling"),
        ],
    )
    def test_one_near_the_border_stays_as_it_is(
        self, shop: App, memory: int, coloured: list[str], expected: str
    ) -> None:
        assert self.decided(shop, memory_mebibytes=memory, blue_green=coloured) == {"shop": expected}

    def test_nobody_gets_fewer_processes_for_it(self, shop: App) -> None:
        """Four processes twice need 2000 MiB, two would not."""
        assert self.decided(shop, cores=4, memory_mebibytes=1999) == {"shop": "rolling"}
        assert self.decided(shop, cores=4, memory_mebibytes=2000) == {"shop": "blue_green"}
        assert self.decided({**shop, **REPORTS}, memory_mebibytes=1499) == {"shop": "rolling"}
        assert self.decided({**shop, **REPORTS}, memory_mebibytes=1500) == {"shop": "blue_green"}

    def test_a_further_application_that_does_not_fit_leaves_the_others_as_they_are(self, shop: App) -> None:
        blog = {**shop, "name": "blog", "server_name": "blog.example"}
        assert self.decided(shop, blog) == {"shop": "rolling", "blog": "rolling"}
        # 900 of 614 MiB, where one is there twice.
        assert self.decided(shop, blog, blue_green=["shop"]) == {"shop": "rolling", "blog": "rolling"}
        found = self.decided(shop, blog, memory_mebibytes=1300, blue_green=["shop"])
        assert found == {"shop": "blue_green", "blog": "rolling"}
        found = self.decided(shop, blog, memory_mebibytes=2000, blue_green=["shop"])
        assert found == {"shop": "blue_green", "blog": "blue_green"}

    def test_what_is_said_is_not_decided_and_counts(self, shop: App, coloured: App) -> None:
        blog = {**coloured, "name": "blog", "server_name": "blog.example"}
        assert self.decided(coloured) == {}
        assert self.decided(shop, blog, memory_mebibytes=1999) == {"shop": "rolling"}
        assert self.decided(shop, {**blog, "releases": {"strategy": "rolling"}}, memory_mebibytes=1500) == {
            "shop": "blue_green"
        }

    @pytest.mark.parametrize(
        ("more", "server", "host"),
        [
            ({"mode": "embedded"}, {}, {}),
            ({"debug": True}, {}, {}),
            ({"daemon_options": {"chroot": "/srv/jail"}}, {}, {}),
            ({"wsgi_directives": {"import_scripts": [SCRIPT]}}, {}, {}),
            ({"extra_config": "<Location /x>\nWSGIProcessGroup shop\n</Location>"}, {}, {}),
            ({}, {"version": "5.0.2"}, {}),
            ({}, {"site_modules": "needed"}, {}),
            ({}, {"directives": {"interpreter_options": [{"process_group": "shop"}]}}, {}),
            ({}, {"directives": {"interpreter_options": [{"process_group": "shop:reports"}]}}, {}),
            ({}, {}, {"foreign": {"sites": []}}),
        ],
    )
    def test_where_it_cannot_be_it_is_rolling(self, shop: App, more: App, server: App, host: App) -> None:
        wide = {"memory_mebibytes": 16384, **host}
        assert self.decided(shop, **wide) == {"shop": "rolling" if host else "blue_green"}
        assert self.decided({**shop, **more}, server=server, **wide) == {"shop": "rolling"}

    @pytest.mark.parametrize("said", [{}, {"strategy": "rolling"}, {"strategy": "rolling", "keep_warm": 60}])
    def test_rolling_with_one_process_has_two_groups_of_which_one_holds_nothing(self, shop: App, said: App) -> None:
        alone = {**shop, "processes": 1, "releases": said}
        decided = self.decided(alone, memory_mebibytes=499)
        assert decided == {"shop": "overlapping"}
        (written,) = strategy.with_strategies([alone], decided)
        assert written["releases"] == {"strategy": "blue_green", "keep_warm": 0}
        (application,) = complete(written)
        assert application["colours"] == ["blue", "green"]
        assert apps.problems([written], [80]) == [], "what was decided is right"

    def test_with_memory_for_both_one_process_has_blue_green(self, shop: App) -> None:
        alone = {**shop, "processes": 1}
        assert self.decided(alone, memory_mebibytes=500) == {"shop": "blue_green"}
        assert self.decided(alone, memory_mebibytes=499, blue_green=["shop"]) == {"shop": "overlapping"}, (
            "the host tells it of both, so who has one of the two does not get the other by that"
        )

    @pytest.mark.parametrize(
        ("more", "server", "host"),
        [
            ({"processes": 2}, {}, {}),
            ({"releases": {"strategy": "rolling", "overlap": False}}, {}, {}),
            ({"debug": True}, {}, {}),
            ({"daemon_options": {"chroot": "/srv/jail"}}, {}, {}),
            ({"extra_config": "<Location /x>\nWSGIProcessGroup shop\n</Location>"}, {}, {}),
            ({}, {"version": "5.0.2"}, {}),
            ({}, {"site_modules": "needed"}, {}),
            ({}, {}, {"foreign": {"sites": []}}),
        ],
    )
    def test_where_two_groups_cannot_be_rolling_is_as_it_was(
        self, shop: App, more: App, server: App, host: App
    ) -> None:
        alone = {**shop, "processes": 1, "releases": {"strategy": "rolling"}}
        assert self.decided(alone) == {"shop": "overlapping"}
        assert self.decided({**alone, **more}, server=server, **host) == {}

    def test_one_that_must_not_overlap_is_rolling(self, shop: App) -> None:
        never = {**shop, "releases": {"overlap": False}}
        assert self.decided(never, memory_mebibytes=16384) == {"shop": "rolling"}

    def test_its_second_process_counts_as_one_that_rests(self, shop: App) -> None:
        alone = {**shop, "processes": 1, "releases": {"strategy": "rolling"}}
        (written,) = strategy.with_strategies([alone], self.decided(alone))
        (held,) = strategy.with_strategies([alone], {"shop": "blue_green"})
        parts = [part_of_memory(2, 500, settings.applications([each]), ()) for each in (alone, written, held)]
        assert parts == pytest.approx([150 / 300, 158 / 300, 300 / 300])
        blog = {**shop, "name": "blog", "server_name": "blog.example"}
        # 158 and twice 300 in 6/10 of the memory.
        assert self.decided(alone, blog, memory_mebibytes=1264)["blog"] == "blue_green"
        assert self.decided(alone, blog, memory_mebibytes=1263)["blog"] == "rolling"

    def test_of_two_of_one_name_and_path_neither_has_it(self, shop: App) -> None:
        twin = {**shop, "name": "twin", "port": 8080}
        assert set(self.decided(shop, twin, memory_mebibytes=16384).values()) == {"rolling"}

    def test_it_becomes_a_part_of_what_is_written(self, shop: App) -> None:
        written = [shop, {**shop, "name": "blog", "releases": {"keep_warm": 5}}]
        first, second = strategy.with_strategies(written, {"shop": "rolling", "blog": "blue_green"})
        assert first["releases"] == {"strategy": "rolling"}
        assert second["releases"] == {"keep_warm": 5, "strategy": "blue_green"}
        assert "releases" not in shop
