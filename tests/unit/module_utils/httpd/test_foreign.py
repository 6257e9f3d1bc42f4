# SPDX-License-Identifier: Apache-2.0
"""What httpd serves of others is found, none of it is taken away, and what cannot go together is refused by place."""

from __future__ import annotations

import getpass
import grp
import hashlib
import json
import os
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.modwsgi.deploy.plugins.module_utils.httpd import config, foreign_answers
from ansible_collections.modwsgi.deploy.plugins.module_utils.httpd import foreign as httpd_foreign
from ansible_collections.modwsgi.deploy.plugins.module_utils.httpd.file_sets.model import TransactionError
from ansible_collections.modwsgi.deploy.plugins.module_utils.httpd.journal import Journal
from ansible_collections.modwsgi.deploy.plugins.module_utils.httpd.listeners import described
from ansible_collections.modwsgi.deploy.plugins.plugin_utils.httpd import base
from ansible_collections.modwsgi.deploy.plugins.plugin_utils.mod_wsgi import plan as mod_wsgi_plan
from ansible_collections.modwsgi.deploy.plugins.plugin_utils.site import apps
from ansible_collections.modwsgi.deploy.plugins.plugin_utils.site import files as wsgi_files
from support import fake_httpd, instances

pytestmark = pytest.mark.slow

MAIN = """\
IncludeOptional mods-enabled/*.load
IncludeOptional mods-enabled/*.conf
Include ports.conf
IncludeOptional conf-enabled/*.conf
IncludeOptional sites-enabled/*.conf
"""
PORTS = "Listen 80\n<IfModule ssl_module>\n    Listen 443\n</IfModule>\n"
DEFAULT_SITE = "<VirtualHost *:80>\n    DocumentRoot /var/www/html\n</VirtualHost>\n"
OLD_SITE = """\
<VirtualHost *:80>
    ServerName old.example
    DocumentRoot /srv/old
    ScriptAlias /cgi-bin/ /srv/cgi/
    <IfModule mod_dir.c>
        DirectoryIndex index.html
    </IfModule>
</VirtualHost>
"""
WSGI_SITE = """\
Listen 8080
<VirtualHost *:8080>
    ServerName tool.example
    WSGIScriptAlias / /srv/tool.wsgi
</VirtualHost>
"""
MODULES = ["alias", "dir", "mpm_event", "wsgi"]
SIZES = {"processes": 2, "threads": 15, "listen_backlog": 100, "connect_timeout": None}
LOGGING = {"format": "json", "destination": "files"}


class Host:
    """Debian's httpd in a folder."""

    def __init__(self, directory: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        self.root = directory / "etc/apache2"
        self.document_root = directory / "html"
        self.document_root.mkdir()
        (self.document_root / "index.html").write_text("It works!\n")
        page, status, modules = directory / "page.html", directory / "status", directory / "modules"
        page.write_text("It works!\n")
        modules.mkdir()
        (modules / "mod_info.so").touch()
        (modules / "mod_wsgi.so").write_bytes(b"\x7fELF\0libpython3.11.so.1.0\0")
        fake_httpd.install(directory / "control")
        self.instance = instances.below(
            directory,
            unit="apache2.service",
            server_root="etc/apache2",
            control="control",
            module_directory="modules",
            unit_drop_in_directory="etc/units",
        )
        self.write("apache2.conf", MAIN)
        self.write("ports.conf", PORTS)
        for name in MODULES:
            file = modules / f"mod_{name}.so"
            self.enable("mods", f"{name}.load", f"LoadModule {name}_module {file}\n")
        self.enable("mods", "alias.conf", "Alias /icons/ /usr/share/icons/\n")
        self.enable("conf", "serve-cgi-bin.conf", "ScriptAlias /cgi-bin/ /usr/lib/cgi-bin/\n")
        self.enable("sites", "000-default.conf", DEFAULT_SITE)
        files = [path for path in self.root.rglob("*.conf") if not path.is_symlink()]
        sums = {path.relative_to(self.root): hashlib.md5(path.read_bytes()).hexdigest() for path in files}
        listed = "".join(f" /etc/apache2/{path} {found}\n" for path, found in sums.items())
        status.write_text(f"Package: other\nStatus: x\n\nPackage: apache2\nConffiles:\n{listed}Description: x\n\n")
        monkeypatch.setattr(httpd_foreign, "DPKG_STATUS", str(status))
        monkeypatch.setattr(httpd_foreign, "DOCUMENT_ROOT", str(self.document_root))
        monkeypatch.setattr(httpd_foreign, "DEFAULT_PAGE", str(page))

    def write(self, path: str, text: str) -> Path:
        file = self.root / path
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text)
        return file

    def enable(self, kind: str, name: str, text: str) -> None:
        self.write(f"{kind}-available/{name}", text)
        link = self.root / f"{kind}-enabled" / name
        link.parent.mkdir(exist_ok=True)
        link.symlink_to(f"../{kind}-available/{name}")

    def sites(self, *applications: dict[str, Any]) -> list[dict[str, Any]]:
        """The files of the sites of these applications."""
        sizes = {each["name"]: SIZES for each in applications}
        complete = apps.normalise(applications, [80, 443], sizes, self.instance)
        made = wsgi_files.files(complete, self.instance, {}, LOGGING, 8079)
        mine = {"owner": getpass.getuser(), "group": grp.getgrgid(os.getgid()).gr_name}
        return [{**file, **mine} for file in made if file["path"].startswith("sites-")]

    def find(self, *replaced: str) -> dict[str, Any]:
        return httpd_foreign.find(self.instance, replaced)

    def run(self, *files: dict[str, Any]) -> dict[str, Any]:
        """The files go live, beside what is found of others."""
        mine = {"owner": getpass.getuser(), "group": grp.getgrgid(os.getgid()).gr_name}
        return config.run(self.instance, {"httpd": [{**mine, **file} for file in files]}, self.find(), False)


@pytest.fixture(name="host")
def fixture_host(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Host:
    return Host(tmp_path, monkeypatch)


def test_the_untouched_default_site_is_nobodys(host: Host) -> None:
    assert host.find() == {}


def test_a_page_in_the_folder_of_the_default_site_makes_it_somebodys(host: Host) -> None:
    (host.document_root / "shop.html").touch()
    assert [site["file"] for site in host.find()["sites"]] == [str(host.root / "sites-enabled/000-default.conf")]


def test_a_changed_page_in_the_folder_of_the_default_site_makes_it_somebodys(host: Host) -> None:
    (host.document_root / "index.html").write_text("Ours now!\n")
    assert host.find()["sites"]


def test_a_changed_default_site_is_somebodys(host: Host) -> None:
    host.write("sites-available/000-default.conf", DEFAULT_SITE.replace("/var/www/html", "/srv/shop"))
    assert host.find()["sites"]


def test_settings_of_others_that_serve_nothing_make_no_site(host: Host) -> None:
    host.enable("conf", "local.conf", "Timeout 120\nServerTokens Full\n")
    assert host.find() == {}


@pytest.mark.parametrize(
    ("path", "text"),
    [
        ("sites-enabled/old.conf", OLD_SITE),
        ("conf-enabled/phpmyadmin.conf", "Alias /phpmyadmin /usr/share/phpmyadmin\n"),
        ("mods-enabled/proxy.conf", "ProxyPass /app http://127.0.0.1:9000/\n"),
    ],
)
def test_what_others_have_enabled_is_found_with_its_place(host: Host, path: str, text: str) -> None:
    host.write(path, text)
    assert [(site["file"], site["line"]) for site in host.find()["sites"]] == [(str(host.root / path), 1)]


def test_what_the_main_file_includes_from_elsewhere_is_found(host: Host, tmp_path: Path) -> None:
    (tmp_path / "srv.conf").write_text("\n" + OLD_SITE)
    host.write("apache2.conf", f"{MAIN}Include {tmp_path}/srv.conf\n")
    assert [(site["file"], site["line"]) for site in host.find()["sites"]] == [(f"{tmp_path}/srv.conf", 2)]


def test_what_we_have_written_is_not_of_others(host: Host) -> None:
    host.write("sites-enabled/100-modwsgi-shop.conf", OLD_SITE)
    manifest = {
        "files": {str(host.root / "sites-enabled/100-modwsgi-shop.conf"): {"kind": "content", "action": "none"}}
    }
    folder = Path(host.instance["state_directory"], "manifests")
    folder.mkdir(parents=True)
    (folder / "wsgi_app.json").write_text(json.dumps(manifest))
    assert host.find() == {}


def test_a_site_that_the_operator_wants_to_be_gone_is_not_kept(host: Host) -> None:
    host.write("sites-enabled/old.conf", OLD_SITE)
    assert host.find("sites-enabled/old.conf") == {}


def test_an_image_has_no_sites_of_others(host: Host) -> None:
    host.write("sites-enabled/old.conf", OLD_SITE)
    host.instance["unit"] = ""
    assert host.find() == {}


def test_a_configuration_that_httpd_does_not_accept_is_read_as_text(host: Host) -> None:
    host.write("sites-enabled/old.conf", OLD_SITE + "BROKEN\n")
    assert [site["file"] for site in host.find()["sites"]] == [str(host.root / "sites-enabled/old.conf")]


def test_vhosts_can_be_asked_by_name_address_port_and_paths(host: Host) -> None:
    host.write("sites-enabled/old.conf", OLD_SITE)
    secure = "<VirtualHost 192.0.2.7:443>\nServerName https://s.example:443\nSSLEngine on\n</VirtualHost>\n"
    host.write("sites-enabled/secure.conf", secure)
    asked = ("address", "port", "tls", "name", "paths", "first")
    assert [tuple(vhost[key] for key in asked) for vhost in host.find()["vhosts"]] == [
        ("127.0.0.1", 80, False, "", ["/"], True),
        ("127.0.0.1", 80, False, "old.example", ["/", "/cgi-bin/"], False),
        ("192.0.2.7", 443, True, "s.example", ["/"], True),
    ]


# Nothing is taken away.


def test_no_module_is_disabled_beside_sites_of_others(host: Host) -> None:
    host.write("sites-enabled/old.conf", OLD_SITE)
    alone = base.module_files(["alias"], ["dir"], ["alias"])
    assert {file["path"] for file in alone if file.get("absent")} == {
        "mods-enabled/alias.conf",
        "mods-enabled/dir.load",
        "mods-enabled/dir.conf",
    }
    beside = base.module_files(["alias"], ["dir"], ["alias"], host.find())
    assert [file["path"] for file in beside] == ["mods-enabled/alias.load"]


def test_applications_of_others_may_run_in_httpds_own_processes(host: Host) -> None:
    host.write("sites-enabled/tool.conf", WSGI_SITE)
    assert "WSGIRestrictEmbedded On" in wsgi_files.mode_files([{"mode": "daemon"}])[0]["content"]
    assert wsgi_files.mode_files([{"mode": "daemon"}], host.find()) == []


def test_our_vhosts_are_read_after_those_of_others(host: Host) -> None:
    host.write("sites-enabled/tool.conf", WSGI_SITE)
    ours = {"name": "a", "site": "a", "default_vhost": False}
    assert wsgi_files.vhost_name(ours) == "100-modwsgi-a.conf"
    assert wsgi_files.vhost_name(ours, host.find()) > "tool.conf"


def test_a_module_that_we_had_disabled_comes_back_when_others_have_a_site(host: Host) -> None:
    host.run({"path": "mods-enabled/dir.load", "absent": True, "adopt": True})
    assert not (host.root / "mods-enabled/dir.load").is_symlink()
    host.write("sites-enabled/old.conf", OLD_SITE)
    host.run()
    assert os.readlink(host.root / "mods-enabled/dir.load") == "../mods-available/dir.load"


def test_what_they_answered_before_the_change_is_kept_for_its_proof(
    host: Host, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(foreign_answers, "status", lambda question: 200 if question["path"] == "/" else 404)
    host.write("sites-enabled/old.conf", OLD_SITE)
    journal = Journal(host.instance["state_directory"])
    host.run({"path": "conf-enabled/a.conf", "content": "Timeout 5\n"})
    kept = [(each["name"], each["path"], each["status"]) for each in journal.note("foreign")["answers"]]
    assert kept == [("127.0.0.1", "/", 200), ("old.example", "/", 200), ("old.example", "/cgi-bin/", 404)]
    monkeypatch.setattr(foreign_answers, "SETTLE_SECONDS", 0)
    monkeypatch.setattr(foreign_answers, "status", lambda _: 404)
    with pytest.raises(foreign_answers.WorseAnswerError, match=r"old\.conf, line 1, answered .* with status 404 now"):
        foreign_answers.prove(journal.note("foreign")["answers"])


def test_nobody_is_asked_when_nothing_changes(host: Host, monkeypatch: pytest.MonkeyPatch) -> None:
    host.write("sites-enabled/old.conf", OLD_SITE)
    monkeypatch.setattr(foreign_answers, "status", lambda question: pytest.fail(str(question)))
    assert host.run()["changed"] is False


def test_a_module_that_others_had_enabled_stays_when_we_no_longer_want_it(host: Host) -> None:
    wanted = {"path": "mods-enabled/dir.load", "link": "../mods-available/dir.load"}
    added = {"path": "conf-enabled/a.conf", "content": "Timeout 5\n"}
    host.write("sites-enabled/old.conf", OLD_SITE)
    host.run(wanted, added)
    host.run()
    assert (host.root / "mods-enabled/dir.load").is_symlink()
    assert not (host.root / "conf-enabled/a.conf").exists()


def test_on_a_host_of_our_own_it_goes(host: Host) -> None:
    host.run({"path": "mods-enabled/dir.load", "link": "../mods-available/dir.load"})
    host.run()
    assert not (host.root / "mods-enabled/dir.load").is_symlink()


def test_a_change_that_takes_away_what_a_site_of_others_reads_is_refused_by_place(host: Host) -> None:
    host.write("sites-enabled/old.conf", OLD_SITE)
    with pytest.raises(TransactionError) as refusal:
        host.run({"path": "mods-enabled/dir.load", "absent": True, "adopt": True})
    assert f"nothing was changed: {host.root}/sites-enabled/old.conf, line 6 (directoryindex) belongs to others" in str(
        refusal.value
    )
    assert (host.root / "mods-enabled/dir.load").is_symlink()


def test_a_vhost_before_that_of_others_is_refused_by_place(host: Host) -> None:
    (host.root / "sites-enabled/000-default.conf").unlink()
    host.write("sites-enabled/old.conf", OLD_SITE)
    with pytest.raises(TransactionError) as refusal:
        host.run({"path": "sites-enabled/100-ours.conf", "content": DEFAULT_SITE})
    assert f"{host.root}/sites-enabled/old.conf, line 1, of others answers on *:80 for names that no site has" in str(
        refusal.value
    )


def test_a_vhost_on_one_address_of_those_that_others_answer_on_is_refused(host: Host) -> None:
    host.write("sites-enabled/old.conf", OLD_SITE)
    ours = DEFAULT_SITE.replace("*:80", "192.0.2.1:80")
    with pytest.raises(TransactionError, match=r"zz-ours\.conf would answer all requests to 192\.0\.2\.1:80, which "):
        host.run({"path": "sites-enabled/zz-ours.conf", "content": ours})


def test_ours_listen_only_where_others_do_not(host: Host) -> None:
    host.write("sites-enabled/tool.conf", WSGI_SITE)
    listeners = described([80, 443, 8080, 8081], 8079)
    ports = [each["port"] for each in httpd_foreign.uncovered(listeners, host.find(), ["mpm_event"])]
    assert ports == [443, 8081, 8079]
    ports = [each["port"] for each in httpd_foreign.uncovered(listeners, host.find(), ["mpm_event", "ssl"])]
    assert ports == [8081, 8079]


def test_ports_that_we_had_taken_over_are_others_again(host: Host) -> None:
    # Written by an earlier run, when httpd served nothing of others.
    host.run({"path": "ports.conf", "content": "Listen 80\nListen 8079\n", "adopt": True})
    host.write("sites-enabled/old.conf", OLD_SITE)
    foreign = host.find()
    assert [each["directive"] for each in foreign["listen"]] == ["80"]
    assert foreign["listen_with_ssl"] == ["443"]
    host.run()
    assert (host.root / "ports.conf").read_text() == PORTS


# What cannot go together.


def test_a_wsgi_site_of_others_runs_on_a_module_for_the_same_python(host: Host) -> None:
    host.write("sites-enabled/tool.conf", WSGI_SITE)
    assert httpd_foreign.python_problem(host.find(), "web1", "3.11") == ""


def test_a_wsgi_site_of_others_on_another_python_is_refused_by_place(host: Host) -> None:
    host.write("sites-enabled/tool.conf", WSGI_SITE)
    assert httpd_foreign.python_problem(host.find(), "web1", "3.13") == (
        f"{host.root}/sites-enabled/tool.conf, line 4 (wsgiscriptalias), of host web1 is a site of others that runs on "
        f"Python 3.11 ({host.root}/mods-enabled/wsgi.load loads its mod_wsgi), and mod_wsgi_python asks for 3.13; one "
        'httpd loads one mod_wsgi, so set mod_wsgi_python: "3.11", disable that site, or use another host.'
    )


def test_other_sites_of_others_do_not_bind_the_python(host: Host) -> None:
    host.write("sites-enabled/old.conf", OLD_SITE)
    assert httpd_foreign.python_problem(host.find(), "web1", "3.13") == ""


def test_the_plan_of_the_module_has_the_refusal(host: Host, monkeypatch: pytest.MonkeyPatch) -> None:
    host.write("sites-enabled/tool.conf", WSGI_SITE)
    made = {"problem": "", "version": "", "reload_drain": True, "wsgi_buffering": True, "wsgi_admission": True}
    monkeypatch.setattr(mod_wsgi_plan, "_wheel_plan", lambda *_: made)
    monkeypatch.setattr(mod_wsgi_plan, "interpreter_answer", lambda answer, _host: answer)
    settings = {
        "install_method": "pip",
        "host": "web1",
        "directives": {},
        "foreign": host.find(),
        "reload_drain_timeout": 0,
    }
    plan = mod_wsgi_plan.plan(settings, {"interpreter": {"version": "3.13"}})
    assert "tool.conf, line 4 (wsgiscriptalias), of host web1" in plan["problem"]


def test_another_mpm_is_refused(host: Host) -> None:
    (host.root / "mods-enabled/mpm_event.load").unlink()
    host.enable("mods", "mpm_prefork.load", "LoadModule mpm_prefork_module x\n")
    host.write("sites-enabled/old.conf", OLD_SITE)
    problems = httpd_foreign.server_problems(host.find(), "web1", described([80], 8079), ["mpm_event"])
    assert problems == [
        f"httpd of host web1 serves sites of others ({host.root}/sites-enabled/old.conf) with mpm_prefork, and "
        "httpd_modules has mpm_event; httpd loads one of them, so move those sites to mpm_event "
        "(a2dismod mpm_prefork), or use another host."
    ]


def test_the_mpm_is_the_module_that_takes_connections(host: Host) -> None:
    """mpm_itk is called so, and needs prefork beside it."""
    (host.root / "mods-enabled/mpm_event.load").unlink()
    for name in ("mpm_itk", "mpm_prefork"):
        host.enable("mods", f"{name}.load", f"LoadModule {name}_module x\n")
    host.write("sites-enabled/old.conf", OLD_SITE)
    assert host.find()["mpm"] == "mpm_prefork"


@pytest.mark.parametrize(
    ("enabled", "found"),
    [
        ((), ""),
        (("php8.2",), "php8.2"),
        (("mpm_itk",), "mpm_itk"),
        (("mpm_itk", "php7.4"), "php7.4"),
        (("phpx", "php8.2.1"), ""),
    ],
)
def test_a_module_that_needs_prefork_is_found(host: Host, enabled: tuple[str, ...], found: str) -> None:
    for name in enabled:
        host.enable("mods", f"{name}.load", f"LoadModule {name}_module x\n")
    assert httpd_foreign.enabled_php(host.instance) == found


def test_an_address_of_others_under_a_port_of_ours_is_refused(host: Host) -> None:
    host.write("sites-enabled/old.conf", "Listen 192.0.2.1:8000\n" + OLD_SITE)
    problems = httpd_foreign.server_problems(host.find(), "web1", described([8000], 8079), ["mpm_event"])
    assert problems == [
        f"httpd_listen of host web1 has 8000, and {host.root}/sites-enabled/old.conf, line 1, has Listen "
        "192.0.2.1:8000, which cannot both be bound; write 192.0.2.1:8000 in httpd_listen, or Listen without an "
        "address there."
    ]


def test_a_site_of_the_main_server_is_refused_where_a_vhost_would_take_its_place(host: Host) -> None:
    (host.root / "sites-enabled/000-default.conf").unlink()
    host.write("conf-enabled/old.conf", "DocumentRoot /srv/old\n")
    problems = httpd_foreign.server_problems(host.find(), "web1", described([80], 8079), ["mpm_event"])
    assert problems == [
        f"{host.root}/conf-enabled/old.conf, line 1 (documentroot), of host web1 is served by httpd's main server on "
        "port 80, which answers nothing there once a vhost does; put it into a <VirtualHost *:80> of its own, or leave "
        "that port out of httpd_listen."
    ]
    assert httpd_foreign.server_problems(host.find(), "web1", described([8000], 8079), ["mpm_event"]) == []


@pytest.mark.parametrize(
    ("application", "key"),
    [({"name": "shop", "default_vhost": True}, "default_vhost"), ({"name": "shop", "tls": {"acme": {}}}, "tls.acme")],
)
def test_what_an_application_would_take_from_a_site_of_others_is_refused(
    host: Host, application: dict[str, Any], key: str
) -> None:
    host.write("sites-enabled/old.conf", "MDomain old.example\n" + OLD_SITE)
    application = {**application, **({"tls": {"acme": {"contact": "a@example.com"}}} if "tls" in application else {})}
    (problem,) = httpd_foreign.application_problems(host.find(), [application])
    assert problem.startswith(f"wsgi_apps: application 'shop', key {key}: ")
    assert "-enabled/" in problem
    assert ", line 1" in problem


def test_an_application_may_answer_unknown_names_on_a_port_of_its_own(host: Host) -> None:
    host.write("sites-enabled/old.conf", OLD_SITE)
    assert (
        httpd_foreign.application_problems(host.find(), [{"name": "shop", "default_vhost": True, "port": 8000}]) == []
    )


def test_a_host_of_our_own_has_no_such_problems() -> None:
    assert httpd_foreign.server_problems({}, "web1", described([80], 8079), ["mpm_event"]) == []
    assert httpd_foreign.application_problems({}, [{"name": "shop", "default_vhost": True}]) == []
    assert httpd_foreign.python_problem({}, "web1", "3.13") == ""


# What visitors may notice.


def test_what_a_running_server_loses_is_told(host: Host, monkeypatch: pytest.MonkeyPatch) -> None:
    host.enable("sites", "000-modwsgi-application-status.conf", "WSGIDaemonProcess status\n")
    changes = (
        {"path": "sites-enabled/000-default.conf", "absent": True, "adopt": True},
        {"path": "sites-enabled/000-modwsgi-application-status.conf", "absent": True, "adopt": True},
        {"path": "conf-enabled/serve-cgi-bin.conf", "absent": True, "adopt": True},
        {"path": "mods-enabled/dir.load", "absent": True, "adopt": True, "action": "restart"},
        {"path": "mods-available/dir.load", "content": "# None.\n", "adopt": True, "action": "restart"},
        {"path": "ports.conf", "content": "Listen 8000\n", "adopt": True},
    )
    monkeypatch.setattr(config, "httpd_main_process", lambda _: object())
    mine = {"owner": getpass.getuser(), "group": grp.getgrgid(os.getgid()).gr_name}
    sets = {"httpd": [{**mine, **file} for file in changes]}
    checked = config.run(host.instance, sets, {}, True)
    assert checked["noticeable"] == [
        "httpd runs, and these sites are disabled by this change: 000-default.",
        "httpd runs, and these configurations are disabled by this change: serve-cgi-bin.",
        "httpd runs, and these modules are disabled by this change: dir.",
        "httpd runs, and no longer listens on 80 after this change (httpd_listen).",
        "httpd runs, and this change restarts it, since it reads dir.load only when it starts: requests in flight are "
        "finished, and those that come within the next seconds wait or are refused "
        "(docs/operating.md#changes-that-restart-httpd).",
    ]
    monkeypatch.setattr(config, "httpd_main_process", lambda _: None)
    assert config.run(host.instance, sets, {}, True)["noticeable"] == []


SHOP: dict[str, Any] = {"name": "shop", "server_name": "shop.example", "source": {"git": "/srv/shop.git"}}
NAMES_AND_PORTS = ["shop.example:443", "shop.example:80", "www.shop.example:443", "www.shop.example:80"]


@pytest.mark.parametrize(
    ("changes", "lost"),
    [
        (None, NAMES_AND_PORTS),
        ({"server_aliases": []}, ["www.shop.example:443", "www.shop.example:80"]),
        ({"tls": None}, ["shop.example:443", "www.shop.example:443"]),
        ({"path": "/shop"}, ["shop.example/", "www.shop.example/"]),
        ({"default_vhost": True}, []),
        ({"server_aliases": [], "redirect_names": ["www.shop.example"]}, []),
        ({"redirects": [{"from": "/old", "to": "/new"}]}, []),
    ],
)
def test_names_and_paths_that_a_site_of_ours_loses_are_told(
    host: Host, monkeypatch: pytest.MonkeyPatch, changes: dict[str, Any] | None, lost: list[str]
) -> None:
    before = {**SHOP, "server_aliases": ["www.shop.example"], "tls": {"self_signed": True, "redirect": False}}
    host.run(*host.sites(before))
    monkeypatch.setattr(config, "httpd_main_process", lambda _: object())
    after = [] if changes is None else [{**before, **changes}]
    found = config.run(host.instance, {"httpd": host.sites(*after)}, {}, True)["noticeable"]
    told = [f"httpd runs, and no longer serves {', '.join(lost)} after this change."] if lost else []
    if changes is None:
        told.append(
            "Of shop the site is removed, and code, account, data and logs stay "
            "(docs/operating.md#remove-an-application)."
        )
    assert [sentence for sentence in found if "serves" in sentence or "stay" in sentence] == told


def test_a_redirect_to_tls_takes_no_name_away(host: Host, monkeypatch: pytest.MonkeyPatch) -> None:
    host.run(*host.sites(SHOP))
    monkeypatch.setattr(config, "httpd_main_process", lambda _: object())
    after = host.sites({**SHOP, "tls": {"self_signed": True}})
    assert config.run(host.instance, {"httpd": after}, {}, True)["noticeable"] == []
