# SPDX-License-Identifier: Apache-2.0
"""Each way to look at an item of a benchmark tells a host that meets it from one that does not, by what is measured."""

from __future__ import annotations

import os
import subprocess
import threading
import time
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from ansible_collections.modwsgi.deploy.plugins.module_utils.httpd import apparmor, effective
from ansible_collections.modwsgi.deploy.plugins.module_utils.httpd.control import Result
from ansible_collections.modwsgi.deploy.plugins.module_utils.httpd.effective import Answer, Effective
from ansible_collections.modwsgi.deploy.plugins.module_utils.httpd.evidence import files, software, tls
from ansible_collections.modwsgi.deploy.plugins.module_utils.httpd.evidence.checks import CHECKS, LONGEST_FACT, judge
from ansible_collections.modwsgi.deploy.plugins.module_utils.httpd.evidence.model import (
    MET,
    NOT_APPLICABLE,
    NOT_MET,
    TO_JUDGE,
)
from ansible_collections.modwsgi.deploy.plugins.module_utils.httpd.log_writer import FIELDS
from ansible_collections.modwsgi.deploy.plugins.module_utils.httpd.processes import Process, process
from support import instances

FILES = {
    "/etc/apache2/apache2.conf": r"""
Listen 192.0.2.1:80
Listen 192.0.2.1:443
Listen 127.0.0.1:297
<Directory />
  Options None
  AllowOverride None
  Require all denied
</Directory>
<Directory /var/www/>
  Options FollowSymLinks
  AllowOverride None
</Directory>
<FilesMatch "^\.ht">
  Require all denied
</FilesMatch>
""",
    "/etc/apache2/conf-enabled/modwsgi-httpd.conf": r"""
ServerTokens Prod
ServerSignature Off
TraceEnable Off
<DirectoryMatch "/\.(?:git|svn|hg|bzr)(?:/|$)">
  Require all denied
</DirectoryMatch>
Timeout 10
KeepAlive On
KeepAliveTimeout 5
MaxKeepAliveRequests 1000
RequestReadTimeout header=20-40,MinRate=500
RequestReadTimeout body=20,MinRate=500
LimitRequestBody 102400
LogLevel notice
LogLevel notice wsgi:info
ErrorLog "|/usr/bin/python3 -I /usr/local/lib/modwsgi/log_writer.py error json journal:httpd-error"
LogFormat "%v:%p %a %u %t \"%r\" %>s %O %D \"%{Referer}i\" \"%{User-Agent}i\"" modwsgi
CustomLog /var/log/apache2/access.log modwsgi
ErrorDocument 404 /missing.html
AddHandler type-map var
""",
    "/etc/apache2/sites-enabled/050-modwsgi-private.conf": r"""
<VirtualHost 127.0.0.1:297>
  ServerName private.invalid
  <Location /server-status>
    SetHandler server-status
  </Location>
</VirtualHost>
""",
    "/etc/apache2/sites-enabled/100-modwsgi-shop.conf": r"""
<VirtualHost 192.0.2.1:80>
  ServerName shop.example
</VirtualHost>
<VirtualHost 192.0.2.1:443>
  ServerName shop.example
  SSLEngine on
  SSLCertificateFile CERTIFICATE
  SSLCertificateKeyFile KEY
  SSLProtocol -all +TLSv1.2 +TLSv1.3
  SSLCipherSuite ECDHE-ECDSA-AES128-GCM-SHA256:ECDHE-RSA-AES256-GCM-SHA384
  SSLCipherSuite TLSv1.3 TLS_AES_128_GCM_SHA256
  Alias /static PUBLISHED
</VirtualHost>
""",
}

PLAIN, SECURE = ("192.0.2.1", 80), ("192.0.2.1", 443)
MODULES = ["core", "headers", "log_config", "reqtimeout", "ssl", "unique_id", "wsgi"]
HEADERS = {
    "server": "Apache",
    "x-frame-options": "DENY",
    "referrer-policy": "same-origin",
    "permissions-policy": "camera=()",
    "strict-transport-security": "max-age=31536000",
}
CONFIGURATION_OF_RUN = """ServerRoot: "/etc/apache2"
Main DocumentRoot: ""
Mutex default: dir="LOCKS" mechanism=default
User: name="nobody" id=65534
"""
POLICY = """apache2-bin:
  Installed: 2.4.71-1~deb12u1
  Candidate: 2.4.71-1~deb12u1
  Version table:
"""


class Host:
    """A host that meets all items, in a folder."""

    def __init__(self, root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        self.root, self.monkeypatch = root, monkeypatch
        self.files = dict(FILES)
        for name in ("CERTIFICATE", "KEY", "PUBLISHED"):
            self.change(name, str(root / name.lower()))
        for folder in ("etc", "log", "run", "modules", "published", "lists", "locks"):
            (root / folder).mkdir()
        for file in ("key", "certificate", "run/apache2.pid", "etc/apache2.conf", "log/error.log", "published/a.css"):
            (root / file).write_text("1")
        for file in ("key", "log/error.log"):
            (root / file).chmod(0o600)
        (root / "log").chmod(0o750)
        (root / "rotation").write_text("/var/log/apache2/*.log {\n    daily\n    rotate 91\n}\n")
        self.modules = list(MODULES)
        self.statuses = {PLAIN: 301, SECURE: 200}
        self.headers = dict(HEADERS)
        self.unknown = 404
        self.secure = True
        self.uids = [65534, 995]
        self.outputs: dict[str, Result] = {
            "DUMP_RUN_CFG": Result(0, CONFIGURATION_OF_RUN.replace("LOCKS", str(root / "locks"))),
            "dpkg-query": Result(0, "apache2-bin: /usr/sbin/apache2\n"),
            "openssl": Result(0, "OK"),
            "systemctl": Result(0, "ProtectSystem=strict\n"),
        }
        self.policy = POLICY
        self.login = ("/usr/sbin/nologin", "*")
        self.certificate = SimpleNamespace(lasts=True, names=["shop.example"], responder=False)
        self.described = instances.below(
            root,
            unit="apache2.service",
            server_root="etc",
            module_directory="modules",
            log_directory="log",
            pid_file="run/apache2.pid",
            log_rotation="rotation",
            binary="etc/apache2.conf",
        )

    def change(self, old: str, new: str) -> None:
        """Another configuration."""
        assert any(old in text for text in self.files.values())
        self.files = {path: text.replace(old, new) for path, text in self.files.items()}

    def dump(self) -> str:
        """It, as httpd prints it: each line below its number in the file, without the ends of sections."""
        lines = []
        for path, text in self.files.items():
            lines.append(f"# In file: {path}")
            for number, line in enumerate(text.splitlines()[1:], 1):
                lines += [line] if line.lstrip().startswith("</") else [f"# {number:>3}:", line]
        return "\n".join(["", *lines, ""])

    def measured(self) -> Effective:
        """As the module looks at it."""
        replaced: dict[str, Any] = {
            "reading.dump": lambda _: self.dump(),
            "control.run_command": self._output,
            "control.service_manager": lambda: "systemd",
            "processes.httpd_main_process": lambda _: Process(1, 1),
            "processes.children": lambda _: {Process(uid, 1) for uid in self.uids},
            "processes.program_name": lambda _: "apache2.conf",
            "processes.user_of": lambda pid: pid,
            "answer": self._answer,
            "login": lambda _: self.login,
            "candidates": lambda *_: {"apache2-bin": _versions(self.policy)},
            "days_since": lambda _: 0.1,
        }
        for name, replacement in replaced.items():
            self.monkeypatch.setattr(f"{effective.__name__}.{name}", replacement)
        self.monkeypatch.setattr(tls, "Certificate", lambda _: self.certificate)
        return Effective(self.described)

    def _output(self, command: list[str], _: float) -> Result:
        if command[-1] == "DUMP_MODULES":
            return Result(0, "Loaded Modules:\n" + "".join(f" {name}_module (shared)\n" for name in self.modules))
        known = [self.outputs[word] for word in (command[0], command[-1]) if word in self.outputs]
        return known[0] if known else Result(0, "Server version: Apache/2.4.71 (Debian)\n")

    def _answer(self, address: str, port: int, host: str, request: str, tls: bool) -> Answer:
        assert tls == (port == 443 and self.secure)
        if host != "shop.example":
            return Answer(self.unknown if "HTTP/1.0" not in request else 426, self.headers)
        if request.startswith("TRACE"):
            return Answer(405, self.headers)
        location = {"location": "https://shop.example/"} if self.statuses[address, port] == 301 else {}
        return Answer(self.statuses[address, port], {**self.headers, **location})


def _versions(policy: str) -> tuple[str, str]:
    lines = policy.splitlines()
    return lines[1].split()[1], lines[2].split()[1]


@pytest.fixture(name="host")
def fixture_host(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Host:
    return Host(tmp_path, monkeypatch)


Change = Callable[[Host], Any]


def config(old: str, new: str) -> Change:
    """Another configuration."""
    return lambda host: host.change(old, new)


def also(text: str) -> Change:
    """More of it, in a file of somebody's."""
    return lambda host: host.files.update({"/etc/x.conf": f"\n{text}\n"})


def module(name: str) -> Change:
    """Another module is loaded."""
    return lambda host: host.modules.append(name)


def without(name: str) -> Change:
    """A module is not loaded."""
    return lambda host: host.modules.remove(name)


def header(name: str, value: str) -> Change:
    """Another header in all answers."""
    return lambda host: host.headers.update({name: value})


def mode(path: str, bits: int) -> Change:
    """Another mode of a file or folder."""
    return lambda host: (host.root / path).chmod(bits)


def given(**keys: Any) -> Change:
    """Another attribute of the host."""
    return lambda host: [setattr(host, name, value) for name, value in keys.items()]


def output(command: str, status: int, text: str) -> Change:
    """Another answer of a program."""
    return lambda host: host.outputs.update({command: Result(status, text)})


def no_tls(host: Host) -> None:
    """A host that speaks no TLS."""
    host.change("  SSLEngine on", "  SSLEngine off")
    host.secure = False


Case = tuple[str, dict[str, Any], Change, str, str]


def bad(check: str, change: Change, part: str, status: str = NOT_MET, /, **arguments: Any) -> Case:
    """A check, its arguments, what is other on the host, the status, and a part of the fact."""
    return check, arguments, change, status, part


BAD = [
    bad("modules_absent", module("dav_fs"), "loaded: dav_fs", modules=["dav*"]),
    bad("modules_present", without("ssl"), "not loaded: ssl", modules=["ssl", "reqtimeout"]),
    bad("idle_proxies", module("proxy_http"), "loaded: proxy_http; no directive passes requests on"),
    bad(
        "no_directives",
        also("ScriptAlias /cgi-bin/ /usr/lib/cgi-bin/"),
        "/etc/x.conf, line 1",
        directives=["Script", "ScriptAlias"],
    ),
    bad(
        "some_directive",
        config("ErrorDocument 404 /missing.html", "UseCanonicalName off"),
        "no ErrorDocument anywhere",
        directives=["ErrorDocument"],
    ),
    bad(
        "at_most",
        config("  SSLEngine on", "  SSLEngine on\n  Timeout 300"),
        "Timeout 300 (shop.example:443); at most 10",
        directive="Timeout",
        limit=10,
    ),
    bad(
        "at_most",
        config("LimitRequestBody 102400", "LimitRequestBody 0"),
        "LimitRequestBody 0 everywhere",
        directive="LimitRequestBody",
        limit=102400,
    ),
    bad("at_least", config("Requests 1000", "Requests 99"), "99", directive="MaxKeepAliveRequests", limit=100),
    bad(
        "word",
        config("ServerSignature Off", "ServerSignature EMail"),
        "ServerSignature EMail everywhere",
        directive="ServerSignature",
        among=["off"],
    ),
    bad(
        "tls_word",
        config("SSLEngine on", "SSLEngine on\nSSLCompression on"),
        "SSLCompression on",
        directive="SSLCompression",
        among=["off"],
    ),
    bad("tls_word", no_tls, "no vhost speaks TLS", NOT_APPLICABLE, directive="SSLCompression", among=["off"]),
    bad("etag_without_inode", also("FileETag INode MTime"), "FileETag INode MTime"),
    bad("persistent_connections", config("KeepAlive On", "KeepAlive Off"), "KeepAlive Off", limit=100),
    bad("read_timeout", config("20-40", "20-90"), "header=20-90", part="header", limit=40, longest=True),
    bad("read_timeout", without("reqtimeout"), "is not loaded", part="body", limit=20, longest=False),
    bad("read_timeout", config("body=20", "body=0"), "body=0", part="body", limit=20, longest=False),
    bad(
        "root_folder",
        config("Require all denied\n</Directory>", "Require all granted\n</Directory>"),
        "Require all granted",
        directive="Require",
        among=["all denied"],
    ),
    bad(
        "root_folder",
        config("Options None", "Options FollowSymLinks"),
        "Options FollowSymLinks",
        directive="Options",
        among=["none"],
    ),
    bad("overrides", config("AllowOverride None\n</Directory>", "AllowOverride All\n</Directory>"), "line 11"),
    bad(
        "options_of_others",
        config("Options FollowSymLinks", "Options Indexes FollowSymLinks"),
        "Options Indexes FollowSymLinks (/var/www/, /etc/apache2/apache2.conf, line 10)",
        refused=["indexes", "all"],
    ),
    bad("hidden_names", config("git|svn|", "git|"), "nothing refuses .svn", names=[".git", ".svn"]),
    bad("hidden_names", config('"^\\.ht"', '"["'), "nothing refuses .htpasswd", names=[".htpasswd"]),
    bad("trace_refused", given(unknown=200), "192.0.2.1:80: 200"),
    bad("trace_refused", given(unknown=0), "192.0.2.1:80: no answer", TO_JUDGE),
    bad("version_refused", given(), "GET / HTTP/1.1 on 192.0.2.1:80: 404", version="1.1"),
    bad("address_refused", given(unknown=200), "192.0.2.1:443: 200"),
    bad("nothing_at", given(unknown=200), "/icons/ on 192.0.2.1:80: 200", paths=["/icons/"]),
    bad("server_header", header("server", "Apache/2.4.71 (Debian)"), "Server: Apache/2.4.71 (Debian)"),
    bad(
        "header_of_pages",
        header("referrer-policy", "unsafe-url"),
        "Referrer-Policy is missing or weak: shop.example:80, shop.example:443",
        header="Referrer-Policy",
        pattern="same-origin",
    ),
    bad(
        "header_of_pages",
        no_tls,
        "no site with TLS has answered",
        NOT_APPLICABLE,
        header="Strict-Transport-Security",
        pattern="max-age",
        tls=True,
    ),
    bad("framing", header("x-frame-options", "ALLOWALL"), "Content-Security-Policy is missing"),
    bad("only_tls", given(statuses={PLAIN: 200, SECURE: 200}), "shop.example:80 answers 200"),
    bad("tls_versions", config("-all +TLSv1.2 +TLSv1.3", "all -SSLv3"), "all -SSLv3", refused=["TLSv1", "TLSv1.1"]),
    bad("tls_versions", no_tls, "no vhost speaks TLS", NOT_APPLICABLE, refused=["TLSv1"]),
    bad(
        "cipher_suites",
        config("ECDHE-RSA-AES256-GCM-SHA384", "AES256-GCM-SHA384"),
        "offered: AES256-GCM-SHA384",
        refused="lasting",
    ),
    bad("cipher_suites", config("ECDHE-RSA-AES256-GCM-SHA384", "NULL-SHA256:@SECLEVEL=0"), "NULL", refused="weak"),
    bad(
        "cipher_suites",
        config("ECDHE-ECDSA-AES128-GCM-SHA256:ECDHE-RSA-AES256-GCM-SHA384", "NOTHING"),
        "knows no cipher of NOTHING",
        TO_JUDGE,
        refused="medium",
    ),
    bad("trusted_certificates", output("openssl", 2, "self-signed"), "no authority of the host has signed that"),
    bad("trusted_certificates", lambda host: setattr(host.certificate, "lasts", False), "has expired"),
    bad("trusted_certificates", lambda host: setattr(host.certificate, "names", ["other.example"]), "other.example"),
    bad("stapling", lambda host: setattr(host.certificate, "responder", True), "SSLUseStapling is off: shop"),
    bad(
        "client_certificates",
        also("SSLVerifyClient require\nSSLCACertificateFile /etc/ca.pem"),
        "/etc/ca.pem",
        TO_JUDGE,
    ),
    bad("unprivileged", given(uids=[0, 65534]), "uids 0, 65534"),
    bad("unprivileged", given(uids=[]), "uids none"),
    bad("no_shell", given(login=("/bin/bash", "*")), "the shell of nobody is /bin/bash"),
    bad("locked", given(login=("/bin/bash", "$y$j9T$x")), "the password of nobody"),
    bad("closed", mode("etc/apache2.conf", 0o666), "apache2.conf", to="others", what="server"),
    bad("closed", mode("published/a.css", 0o646), "a.css", to="others", what="published"),
    bad("private_logs", mode("log/error.log", 0o644), "error.log (0644)", by="reading"),
    bad("private_logs", mode("log/error.log", 0o660), "error.log (0660)", by="writing"),
    bad("private_keys", mode("key", 0o640), "1 files and folders, 1 that others than root can read"),
    bad("private_folder", mode("locks", 0o777), "mode 0777", what="locks"),
    bad("pid_file", mode("run/apache2.pid", 0o666), "mode 0666"),
    bad("listens_by_address", config("Listen 192.0.2.1:80", "Listen 80"), "without an address: 80"),
    bad("vhosts_by_address", config("<VirtualHost 192.0.2.1:80>", "<VirtualHost *:80>"), "without an address: *:80"),
    bad("usual_ports", config("Listen 192.0.2.1:80", "Listen 192.0.2.1:8080"), "443, 8080", ports=[80, 443]),
    bad("error_log", config("LogLevel notice", "LogLevel warn"), "LogLevel warn"),
    bad("syslog", config("journal:httpd-error", "/var/log/apache2/error.log"), "0 of 4 error logs"),
    bad("access_log", config('\\"%{Referer}i\\" ', ""), "not in their lines: referer"),
    bad("access_log", config("CustomLog /var/log/apache2/access.log modwsgi", "UseCanonicalName off"), "0 access logs"),
    bad("timestamps", config(" %t ", " "), "not all"),
    bad(
        "rotation",
        lambda host: (host.root / "rotation").write_text("x {\n daily\n rotate 14\n}"),
        "14 days; at least 91",
        days=91,
    ),
    bad("rotation", lambda host: (host.root / "rotation").unlink(), "by something else", TO_JUDGE, days=91),
    bad(
        "patched",
        lambda host: setattr(host, "policy", POLICY.replace("Candidate: 2.4.71", "Candidate: 2.4.72")),
        "apache2-bin 2.4.71-1~deb12u1 (2.4.72-1~deb12u1 is there)",
        packages=["apache2-bin"],
    ),
    bad("from_distribution", output("dpkg-query", 1, "no path found"), "no path found"),
    bad("no_sessions", module("session"), "loaded: session", TO_JUDGE, modules=["session"]),
    bad("handlers", also("AddHandler application/x-csh .csh"), "addhandler in /etc/x.conf, line 1"),
    bad("handlers", also("Action run /cgi-bin/run"), "action in /etc/x.conf, line 1"),
    bad(
        "listings",
        lambda host: [module("autoindex")(host), config("Options FollowSymLinks", "Options Indexes")(host)],
        "Options Indexes",
    ),
]

OF_ROOT = ("owned", "closed", "private_logs", "private_keys", "private_folder", "pid_file")
AS_ROOT = dict.fromkeys(OF_ROOT, pytest.mark.root("makes what belongs to root"))
"""Checks for what belongs to root."""


@pytest.mark.parametrize(("check", "arguments", "change", "status", "part"), BAD)
def test_what_is_not_met_is_told_with_the_fact(
    host: Host, check: str, arguments: dict[str, Any], change: Change, status: str, part: str
) -> None:
    change(host)
    found = judge(host.measured(), check, arguments)
    assert (found.status, part in found.fact) == (status, True), found


GOOD = {(check, repr(arguments)): arguments for check, arguments, *_ in BAD}
UNDECIDED = {"stapling": NOT_APPLICABLE, "client_certificates": NOT_APPLICABLE, "no_sessions": NOT_APPLICABLE}
"""A good host has nothing to which these apply."""


@pytest.mark.parametrize(
    ("check", "arguments"),
    [pytest.param(check, arguments, marks=AS_ROOT.get(check, ())) for (check, _), arguments in GOOD.items()],
)
def test_a_good_host_meets_it(host: Host, check: str, arguments: dict[str, Any]) -> None:
    if arguments.get("version") == "1.1":
        arguments = {"version": "1.0"}
    found = judge(host.measured(), check, arguments)
    assert found.status == UNDECIDED.get(check, MET), found


def test_each_way_to_look_is_tried() -> None:
    elsewhere = {
        "modules_listed", "owned", "passwords", "separate_partition", "selinux", "apparmor", "apparmor_profile",
    }  # fmt: skip
    assert {check for check, *_ in BAD} | elsewhere == set(CHECKS)


def test_modules_are_for_somebody_to_judge(host: Host) -> None:
    found = judge(host.measured(), "modules_listed", {})
    assert found == (TO_JUDGE, f"7 modules are loaded: {', '.join(MODULES)}")


@pytest.mark.root("files of others, only root can make")
@pytest.mark.parametrize("by", ["user", "group"])
def test_files_of_others_are_told(host: Host, by: str) -> None:
    assert judge(host.measured(), "owned", {"by": by}).status == MET
    os.chown(host.root / "modules", 1 if by == "user" else -1, 1 if by == "group" else -1)
    found = judge(host.measured(), "owned", {"by": by})
    assert found.status == NOT_MET
    assert found.fact.endswith(f" files and folders, 1 whose {by} is not root: {host.root}/modules")


def test_links_are_not_followed(host: Host) -> None:
    outside = host.root / "outside"
    outside.mkdir(mode=0o777)
    outside.chmod(0o777)
    (host.root / "etc/link").symlink_to(outside)
    assert judge(host.measured(), "closed", {"to": "others", "what": "server"}).status == MET


def test_a_program_for_passwords(host: Host, monkeypatch: pytest.MonkeyPatch) -> None:
    program = host.root / "htpasswd"
    monkeypatch.setattr(files, "HTPASSWD", str(program))
    assert judge(host.measured(), "passwords", {}).status == NOT_APPLICABLE
    program.touch(mode=0o755)
    assert judge(host.measured(), "passwords", {}) == (NOT_MET, f"{program} has the mode 0755; at most 0550")
    program.chmod(0o550)
    assert judge(host.measured(), "passwords", {}).status == MET


def test_folders_on_the_file_system_of_the_programs(host: Host) -> None:
    found = judge(host.measured(), "separate_partition", {})
    assert (found.status, found.fact.endswith(f": {host.root}/published")) == (NOT_MET, True)
    host.change(f"  Alias /static {host.root}/published", "  Alias /static /proc")
    assert judge(host.measured(), "separate_partition", {}).status == MET


@pytest.mark.parametrize(("text", "status"), [("1", MET), ("0", NOT_MET), (None, NOT_APPLICABLE)])
def test_selinux(host: Host, monkeypatch: pytest.MonkeyPatch, text: str | None, status: str) -> None:
    file = host.root / "enforce"
    if text is not None:
        file.write_text(text)
    monkeypatch.setattr(software, "SELINUX", file)
    assert judge(host.measured(), "selinux", {}).status == status


def test_apparmor(host: Host, monkeypatch: pytest.MonkeyPatch) -> None:
    file = host.root / "enabled"
    monkeypatch.setattr(apparmor, "ENABLED", file)
    found = judge(host.measured(), "apparmor", {})
    assert found == (NOT_MET, "AppArmor is off, or not in this kernel; systemd: ProtectSystem=strict")
    file.write_text("Y\n")
    assert judge(host.measured(), "apparmor", {}).status == MET


@pytest.mark.parametrize(
    ("label", "status", "told"),
    [
        ("modwsgi-apache2 (enforce)", MET, "httpd: modwsgi-apache2 (enforce); systemd"),
        ("modwsgi-apache2 (complain)", NOT_MET, "httpd: modwsgi-apache2 (complain), so its profile only logs; systemd"),
        (None, NOT_MET, "httpd: unconfined; systemd"),
    ],
)
def test_a_profile_of_apparmor(
    host: Host, monkeypatch: pytest.MonkeyPatch, label: str | None, status: str, told: str
) -> None:
    folder = host.root / "proc/1/attr"
    folder.mkdir(parents=True)
    if label:
        (folder / "current").write_text(f"{label}\n\0")
    monkeypatch.setattr(apparmor, "PROC", host.root / "proc")
    found = judge(host.measured(), "apparmor_profile", {})
    assert found.status == status
    assert found.fact.startswith(told)


def test_a_proxy_that_is_used_is_needed(host: Host) -> None:
    host.modules.append("proxy")
    also("RewriteRule ^/api http://127.0.0.1:9000/ [P,L]")(host)
    assert judge(host.measured(), "idle_proxies", {}) == (MET, "loaded: proxy; in use by /etc/x.conf, line 1")


def test_lines_for_the_program_of_json_tell_the_same(host: Host) -> None:
    line = "\\t".join(form for _, form in FIELDS["access"]).replace('"', '\\"')
    host.change('%v:%p %a %u %t \\"%r\\" %>s %O %D \\"%{Referer}i\\" \\"%{User-Agent}i\\"', line)
    assert judge(host.measured(), "access_log", {}).status == MET


def test_a_log_that_nobody_writes_to_does_not_count(host: Host) -> None:
    host.change("ErrorLog ", "ErrorLog /var/log/apache2/error.log\nErrorLog ")
    assert judge(host.measured(), "syslog", {}).status == MET


def test_the_last_section_of_a_folder_counts(host: Host) -> None:
    host.change("Options FollowSymLinks", "Options Indexes")
    host.change("<FilesMatch", "<Directory /var/www/>\n  Options None\n</Directory>\n<FilesMatch")
    assert judge(host.measured(), "options_of_others", {"refused": ["indexes"]}).status == MET


def test_what_cannot_be_measured_is_told_and_hides_nothing(host: Host) -> None:
    (host.root / "run/apache2.pid").unlink()
    found = judge(host.measured(), "pid_file", {})
    assert found.status == TO_JUDGE
    assert "this could not be measured ([Errno 2]" in found.fact


@pytest.mark.parametrize(("seconds", "due", "read"), [(60, "none", True), (-60, "none", False), (60, "reload", False)])
def test_whether_httpd_has_read_what_was_measured(
    host: Host, monkeypatch: pytest.MonkeyPatch, seconds: float, due: str, read: bool
) -> None:
    serving = SimpleNamespace(children={Process(7, 1)})
    monkeypatch.setattr(effective.processes, "serving", lambda _: serving)
    monkeypatch.setattr(effective, "started", lambda _: time.time() + seconds)
    monkeypatch.setattr(effective.pending, "read", lambda _: due)
    assert host.measured().in_force() is read


def test_a_process_has_begun_before_now() -> None:
    own = process(os.getpid())
    assert own
    assert 0 <= time.time() - effective.started(own) + 1 < 86400


def test_a_fact_is_one_line_of_bounded_length(host: Host) -> None:
    header("server", "Apache/2\x1b[31m" + "x" * 5000)(host)
    fact = judge(host.measured(), "server_header", {}).fact
    assert len(fact) == LONGEST_FACT
    assert fact.isprintable()


def test_sites_are_those_that_clients_can_ask_for(host: Host) -> None:
    assert [site.name for site in host.measured().sites()] == ["shop.example:80", "shop.example:443"]


def test_a_site_without_a_name_is_asked_by_its_address(host: Host) -> None:
    host.change("<VirtualHost 192.0.2.1:80>\n  ServerName shop.example\n", "<VirtualHost 192.0.2.1:80>\n")
    measured = host.measured()
    assert [site.name for site in measured.sites()] == ["without a name:80", "shop.example:443"]
    assert [answer.status for answer in measured.pages().values()] == [404, 200]


def test_versions_are_those_that_the_sources_offer(monkeypatch: pytest.MonkeyPatch) -> None:
    done = subprocess.CompletedProcess([], 0, POLICY.encode())
    monkeypatch.setattr(effective.subprocess, "run", lambda *_, **__: done)
    assert effective.candidates("apache2-bin") == {"apache2-bin": ("2.4.71-1~deb12u1", "2.4.71-1~deb12u1")}


def test_an_answer_is_read_from_a_real_server() -> None:
    with HTTPServer(("127.0.0.1", 0), BaseHTTPRequestHandler) as server:
        threading.Thread(target=server.handle_request, daemon=True).start()
        found = effective.answer("127.0.0.1", server.server_port, "shop.example", "GET / HTTP/1.1", False)
    assert found.status == 501
    assert "server" in found.headers


def test_no_answer_is_no_status() -> None:
    assert effective.answer("127.0.0.1", 1, "shop.example", "GET / HTTP/1.1", True).status == 0
