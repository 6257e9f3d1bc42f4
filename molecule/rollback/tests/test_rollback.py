# SPDX-License-Identifier: Apache-2.0
"""Whatever fails, and wherever a run is killed, the site that served before serves on, on the files that it had."""

from __future__ import annotations

import re
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from support.deployment import Deployment, deploy, failure_of
from support.managed_host import ManagedHost
from support.site import Site, accepts_connections
from support.snapshot import differences, snapshot
from support.stopping import Moment, stopped
from support.visitor import Visitor, visiting
from support.waiting import wait_for

HOST = "rollback-debian12"
MACHINE = ManagedHost(HOST)
APPLICATIONS = Path(__file__).resolve().parents[1] / "applications"
BROKEN = {"source": {"directory": "{{ applications_directory }}/broken"}}
HASHED_PASSWORD = "$2y$05$szaG6N0.P1EzZrtZyeVf2uXZFD680Tb12Qj7qPOSSuromU3O87VdO"
STAGING = "/run/modwsgi/apache2"
FREE_PORT = 8090
OUTAGE_LIMIT = 5.0
"""Seconds from the end of httpd to its return, where another program has taken a port in the last moment."""
ENOUGH = 50
"""Fewer requests would not show that somebody has watched; one second of them."""


def client(*names: str) -> Visitor:
    """A client of these applications."""
    return Visitor(MACHINE.address(), {f"{name}.example": f"{name}\n".encode() for name in names})


@contextmanager
def no_request_is_lost(*names: str) -> Iterator[None]:
    """A client asks every 20 ms, one application after the other (or only these), and gets each answer."""
    with visiting(client(*names or ("shop", "blog"))) as visitor:
        yield
    assert visitor.failures == []
    assert visitor.asked > ENOUGH


def state() -> dict[str, Any]:
    """All that a return has to bring back: not the releases that lie beside the current one."""
    found = snapshot(MACHINE)
    beside = re.compile(r"/srv/wsgi/[^/]+/(releases|venvs)($|/)")
    found["files"] = {path: value for path, value in found["files"].items() if not beside.match(path)}
    del found["processes"]
    return found


def unchanged(before: dict[str, Any], *except_below: str) -> bool:
    """Whether the host is as it was; fails with the differences."""
    found = differences(before, state())
    found["files"] = {path: both for path, both in found.get("files", {}).items() if not path.startswith(except_below)}
    assert {key: value for key, value in found.items() if value} == {}
    return True


def refused(run: Deployment, *sentences: str) -> bool:
    """Whether a run has failed, with these sentences."""
    assert run.status != 0
    assert run.recap(HOST)["failed"] == 1
    for sentence in sentences:
        assert sentence in run.message.replace("\\n", "\n"), f"expected: {sentence}\nfound: {run.output[-4000:]}"
    return True


@pytest.fixture(name="before")
def fixture_before() -> dict[str, Any]:
    """The host before the test."""
    return state()


@pytest.fixture(name="stranger")
def fixture_stranger() -> Iterator[None]:
    """Another program that listens where nothing of ours does."""
    with strange_listener():
        yield


@contextmanager
def strange_listener() -> Iterator[None]:
    MACHINE.attempt("systemctl", "stop", "stranger")  # of a run that was cut off
    MACHINE.run("systemd-run", "--unit=stranger", "/usr/bin/python3", "-m", "http.server", str(FREE_PORT))
    wait_for(lambda: accepts_connections(MACHINE.address(), FREE_PORT), "the stranger listens")
    try:
        yield
    finally:
        MACHINE.run("systemctl", "stop", "stranger")


@pytest.fixture(name="full_disk")
def fixture_full_disk() -> Iterator[None]:
    """No room where a configuration is staged."""
    MACHINE.run("mount", "-t", "tmpfs", "-o", "size=64k,mode=700", "tmpfs", STAGING)
    yield
    assert "staged-" not in MACHINE.run("ls", STAGING)
    MACHINE.run("umount", STAGING)


@pytest.fixture(name="changed", scope="module")
def fixture_changed(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """A good change of both: httpd's configuration, and the release of one application."""
    copy = tmp_path_factory.mktemp("changed") / "blog"
    shutil.copytree(APPLICATIONS / "blog", copy)
    with (copy / "wsgi.py").open("a") as file:
        file.write("# Changed.\n")
    return {"httpd_timeout": 61, "spoilt": {"source": {"directory": str(copy)}}, "wsgi_apps": WITH_OTHER_BLOG}


WITH_OTHER_BLOG = "{{ [shop, blog | combine(spoilt)] }}"


def test_a_syntax_error_in_extra_configuration(before: dict[str, Any]) -> None:
    with no_request_is_lost():
        run = deploy(
            variables={"httpd_extra_config": "ServerAdmin a@b.example\nNoSuchDirective On", "httpd_timeout": 61}
        )
    assert refused(
        run,
        "httpd refuses the configuration of httpd, so nothing was changed: AH00526: Syntax error on line 3 of "
        "/etc/apache2/conf-enabled/modwsgi-extra.conf: Invalid command 'NoSuchDirective'",
    )
    assert unchanged(before)


def staged_in_vain(configuration: str, *modules: str) -> str:
    """What the transaction says of a file of configuration that does not pass its test, here with these modules.

    The test is the same for all files, and the report of a run that it ends is proven above.
    """
    names = [f"mods-enabled/{name}.load" for name in modules]
    files: list[dict[str, Any]] = [
        {"path": name, "link": f"../{name.replace('enabled', 'available')}"} for name in names
    ]
    files.append({"path": "conf-enabled/test.conf", "content": configuration})
    with no_request_is_lost():
        message: str = failure_of(HOST, "modwsgi.deploy.httpd_config", {"owner": "test", "files": files})["msg"]
    return message


def test_a_missing_certificate(before: dict[str, Any]) -> None:
    vhost = f"""
        Listen {FREE_PORT}
        <VirtualHost *:{FREE_PORT}>
            SSLEngine On
            SSLCertificateFile /etc/ssl/certs/not-there.pem
        </VirtualHost>"""
    message = staged_in_vain(vhost, "ssl", "socache_shmcb")
    assert message.startswith("httpd refuses the configuration of test, so nothing was changed: ")
    assert "SSLCertificateFile: file '/etc/ssl/certs/not-there.pem' does not exist or is empty" in message
    assert unchanged(before)


@pytest.mark.usefixtures("stranger")
def test_a_port_in_use(before: dict[str, Any]) -> None:
    assert (
        "httpd could not serve the configuration of test, so nothing was changed: Port 8090 of rollback-debian12 is "
        "in use by python3 (pid "
    ) in staged_in_vain(f"Listen {FREE_PORT}\n")
    assert unchanged(before)


@pytest.mark.usefixtures("full_disk")
def test_a_full_disk_while_staging(before: dict[str, Any]) -> None:
    assert staged_in_vain("Timeout 61\n") == (
        f"The disk of {STAGING}, where the configuration is tested, is full, so nothing was changed; make room there "
        "and run again."
    )
    assert unchanged(before)


def test_a_port_that_is_taken_in_the_last_moment(before: dict[str, Any]) -> None:
    """httpd ends at the reload: the one case in which requests are lost, for as long as the return takes."""
    moment = Moment("before the reload", "os.rename", "acted.json")
    with visiting(client("shop")) as visitor:
        with stopped(MACHINE, moment, {"httpd_extra_config": f"Listen {FREE_PORT}"}) as standing, strange_listener():
            run = standing.go_on()
        wait_for(lambda: Site(MACHINE.address(), "shop.example").health() == 200, "the old site answers")
    assert refused(
        run,
        f"could not bind to address 0.0.0.0:{FREE_PORT}",
        "The previous configuration is back on the disk. httpd had ended, and was started again. The previous site was "
        "asked, and answers.",
    )
    assert unchanged(before)
    lost = [failure.asked for failure in visitor.failures]
    assert lost, "no reload has failed, so nothing was proven"
    assert max(lost) - min(lost) < OUTAGE_LIMIT


def test_a_new_vhost_whose_application_is_not_healthy(before: dict[str, Any]) -> None:
    news = {"name": "news", "server_name": "news.example", **BROKEN}
    with no_request_is_lost():
        run = deploy(variables={"news": news, "wsgi_apps": "{{ [shop, blog, news] }}"})
    assert refused(
        run,
        "The application news answered http://news.example/healthz with status 500 instead of 200",
        "RuntimeError: the database of the blog is not configured",
        "The previous configuration is back on the disk. httpd was reloaded. The previous site was asked, and answers.",
    )
    # Its account and its folders are no part of what serves.
    before["accounts"] = state()["accounts"]
    assert unchanged(before, "/srv/wsgi/news", "/etc/wsgi/news")
    assert MACHINE.run("ls", "/srv/wsgi/news").split() == ["releases", "venvs"]


def test_a_release_that_is_not_healthy(before: dict[str, Any]) -> None:
    processes = {process.pid for process in MACHINE.daemon_processes("shop")}
    with no_request_is_lost("shop"):
        run = deploy(variables={"spoilt": BROKEN, "wsgi_apps": WITH_OTHER_BLOG})
    assert refused(
        run,
        "The application blog answered http://blog.example/healthz with status 500 instead of 200; see "
        "/var/log/apache2/blog-error.log.",
        "Traceback (most recent call last)",
        "RuntimeError: the database of the blog is not configured",
        "The previous configuration is back on the disk. httpd had not read the new one, and was left alone. "
        "The previous site was asked, and answers.",
    )
    assert Site(MACHINE.address(), "blog.example").get("/").text == "blog\n"
    assert processes == {process.pid for process in MACHINE.daemon_processes("shop")}, "the neighbour noticed nothing"
    assert unchanged(before)


def test_what_a_site_has_beside_its_application(before: dict[str, Any]) -> None:
    """The certificate, the login and the maintenance page of a change that fails go with it."""
    secure = {
        **BROKEN,
        "tls": {"self_signed": True},
        "auth": [
            {"path": "/private", "users": {"alice": "$2y$05$szaG6N0.P1EzZrtZyeVf2uXZFD680Tb12Qj7qPOSSuromU3O87VdO"}}
        ],
        "maintenance": {"during_deploy": True},
    }
    run = deploy(variables={"httpd_listen": [80, 443], "spoilt": secure, "wsgi_apps": WITH_OTHER_BLOG})
    assert refused(
        run,
        "RuntimeError: the database of the blog is not configured",
        "The previous configuration is back on the disk. httpd was restarted. "
        "The previous site was asked, and answers.",
    )
    before["packages"] = state()["packages"]  # openssl is there now
    assert unchanged(before)
    assert MACHINE.attempt("test", "-e", "/srv/wsgi/blog/maintenance").returncode == 1
    for name in ("shop", "blog"):
        assert Site(MACHINE.address(), f"{name}.example").get("/").text == f"{name}\n"


HALF_RENAMED = Moment("half of the files are renamed", "os.rename", "modwsgi-new~", count=2)
HALF_DONE, ALL_DONE = False, True
"""Whether the change was complete when the run was killed, so that its release has served."""
ALSO_IN_UNIT_TESTS = pytest.mark.breadth("unit tests kill the transaction at each of its steps")
MOMENTS = [
    (Moment("the files are renamed, and the journal does not say so yet", "os.rename", "01-applied.json"), HALF_DONE),
    (Moment("between the two links of a release", "os.rename", "/srv/wsgi/blog/.current.modwsgi-new~"), HALF_DONE),
    (Moment("all is done, and the journal still open", "os.rename", "committed.json"), ALL_DONE),
    *(
        pytest.param(moment, complete, marks=ALSO_IN_UNIT_TESTS)
        for moment, complete in [
            (Moment("before the new configuration is tested", "subprocess.Popen", "apache2ctl"), HALF_DONE),
            (Moment("what was kept is being removed", "os.remove", "modwsgi-02~"), ALL_DONE),
        ]
    ),
]


@pytest.mark.parametrize(("moment", "complete"), MOMENTS, ids=lambda value: getattr(value, "name", ""))
def test_a_run_that_is_killed(before: dict[str, Any], changed: dict[str, Any], moment: Moment, complete: bool) -> None:
    with no_request_is_lost():
        with stopped(MACHINE, moment, changed) as standing:
            standing.kill_everything()
        run = deploy()
    assert run.status == 0, run.output
    # A release that has served stays in the history of releases.
    history = ["/srv/wsgi/blog/deployment.json"] if complete else []
    assert unchanged(before, *history)
    assert Site(MACHINE.address(), "shop.example").get("/").text == "shop\n"


def test_a_module_that_is_killed_is_undone_by_the_same_run(before: dict[str, Any], changed: dict[str, Any]) -> None:
    with no_request_is_lost(), stopped(MACHINE, HALF_RENAMED, changed) as standing:
        run = standing.kill_module()
    assert refused(run, "httpd had not read the new one, and was left alone. The previous site was asked, and answers.")
    assert unchanged(before)


def test_httpd_never_reads_half_a_change(before: dict[str, Any], changed: dict[str, Any]) -> None:
    with no_request_is_lost():
        with stopped(MACHINE, HALF_RENAMED, changed) as standing:
            standing.kill_everything()
        assert differences(before, state()) != {}, "nothing was renamed, so nothing is proven"
        MACHINE.run("systemctl", "reload", "apache2")
        assert unchanged(before)
        run = deploy()
    assert run.status == 0, run.output
    assert run.recap(HOST)["changed"] == 0, run.output


def test_a_boot_finds_the_configuration_that_was_proven(before: dict[str, Any], changed: dict[str, Any]) -> None:
    with stopped(MACHINE, Moment("httpd has not been told yet", "os.rename", "acted.json"), changed) as standing:
        standing.kill_everything()
    MACHINE.engine("restart")
    Site(MACHINE.address(), "shop.example").wait_until_it_answers()
    assert unchanged(before)
    run = deploy()
    assert run.status == 0, run.output
    assert unchanged(before)


def test_the_change_itself_is_good(changed: dict[str, Any]) -> None:
    """Last, since it stays: what was killed above does succeed, and costs one transaction and one reload."""
    with no_request_is_lost():
        run = deploy(variables=changed)
        assert run.status == 0, run.output
        again = deploy(variables=changed)
    assert again.recap(HOST)["changed"] == 0, again.output
    assert "Timeout 61" in MACHINE.run("cat", "/etc/apache2/conf-enabled/modwsgi-httpd.conf")
    assert MACHINE.run("find", "/", "-xdev", "-name", "*modwsgi-*~") == ""
    assert MACHINE.attempt("test", "-e", "/var/lib/modwsgi/apache2/transaction").returncode == 1
