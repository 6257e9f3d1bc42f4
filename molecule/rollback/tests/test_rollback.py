# SPDX-License-Identifier: Apache-2.0
"""Whatever fails, and wherever a run is killed, the site that served before serves on, on the files that it had."""

from __future__ import annotations

import json
import re
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from support.deployment import Deployment, deploy, failures_of
from support.managed_host import ManagedHost
from support.site import Site, accepts_connections
from support.snapshot import differences, snapshot
from support.stopping import KEEPING, Call, Moment, a_run, last_call, stopped
from support.visitor import Visitor, visiting
from support.waiting import wait_for

HOST = "rollback-debian12"
MACHINE = ManagedHost(HOST)
APPLICATIONS = Path(__file__).resolve().parents[1] / "applications"
BROKEN = {"source": {"directory": "{{ applications_directory }}/broken"}}
HANGING = {"source": {"directory": "{{ applications_directory }}/hanging"}}
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
        wait_for(lambda: len(visitor.answers) > ENOUGH, "the client has asked often enough")
    assert visitor.lost == []


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


@contextmanager
def strange_listener() -> Iterator[None]:
    """Another program that listens where nothing of ours does."""
    MACHINE.attempt("systemctl", "stop", "stranger")  # of a run that was cut off
    MACHINE.run("systemd-run", "--unit=stranger", "/usr/bin/python3", "-m", "http.server", str(FREE_PORT))
    wait_for(lambda: accepts_connections(MACHINE.address(), FREE_PORT), "the stranger listens")
    try:
        yield
    finally:
        MACHINE.run("systemctl", "stop", "stranger")


@pytest.fixture(name="changed", scope="module")
def fixture_changed(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """A good change of both: httpd's configuration, and one application's release, environment variables and vhost."""
    copy = tmp_path_factory.mktemp("changed") / "blog"
    shutil.copytree(APPLICATIONS / "blog", copy)
    with (copy / "wsgi.py").open("a") as file:
        file.write("# Changed.\n")
    (copy / "static/blog.1111.css").rename(copy / "static/blog.2222.css")
    (copy / "static/same.txt").write_text("changed\n")
    spoilt = {
        "source": {"directory": str(copy)},
        "environment": {"KEY": "changed"},
        "rollback_commands": [["sh", "-c", UNDO]],
        "headers": [{"action": "set", "name": "X-Release", "value": "changed"}],
    }
    return {"httpd_timeout": 61, "spoilt": spoilt, "wsgi_apps": WITH_OTHER_BLOG}


UNDO = "echo $WSGI_ROLLBACK_RELEASE $(id -un) > $WSGI_STATE_DIRECTORY/undone; test ! -e $WSGI_STATE_DIRECTORY/cannot"
"""What the blog undoes when somebody goes back from its change; it cannot while that file is there."""

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


def staged(configuration: str) -> dict[str, Any]:
    """A task that puts a file of configuration live."""
    files = [{"path": "conf-enabled/test.conf", "content": configuration}]
    return {"modwsgi.deploy.httpd_config": {"owner": "test", "files": files}}


VHOST_WITHOUT_CERTIFICATE = f"""
    Listen {FREE_PORT}
    <VirtualHost *:{FREE_PORT}>
        SSLEngine On
        SSLCertificateFile /etc/ssl/certs/not-there.pem
    </VirtualHost>"""
FULL_DISK = {"ansible.builtin.command": {"argv": ["mount", "-t", "tmpfs", "-o", "size=64k,mode=700", "tmpfs", STAGING]}}


def test_what_is_not_even_tried(before: dict[str, Any]) -> None:
    """What the transaction says by itself; the report of a run that ends there is proven above."""
    with no_request_is_lost(), strange_listener():
        failures = failures_of(
            HOST,
            staged(VHOST_WITHOUT_CERTIFICATE),
            staged(f"Listen {FREE_PORT}\n"),
            FULL_DISK,
            staged("Timeout 61\n"),
        )
        left = MACHINE.run("ls", STAGING)
        MACHINE.run("umount", STAGING)
    certificate, port, disk = [failure["msg"] for failure in failures]
    assert certificate.startswith("httpd refuses the configuration of test, so nothing was changed: ")
    assert "SSLCertificateFile: file '/etc/ssl/certs/not-there.pem' does not exist or is empty" in certificate
    assert port.startswith(
        "httpd could not serve the configuration of test, so nothing was changed: Port 8090 of rollback-debian12 is in "
        "use by python3 (pid "
    )
    assert disk == (
        f"The disk of {STAGING}, where the configuration is tested, is full, so nothing was changed; make room there "
        "and run again."
    )
    assert "staged-" not in left
    assert unchanged(before)


def test_a_port_that_is_taken_in_the_last_moment(before: dict[str, Any]) -> None:
    """httpd ends at the reload: the one case in which requests are lost, for as long as the return takes."""
    moment = Moment("before the reload", "os.rename", "acted.json")
    listening = a_run({"httpd_extra_config": f"Listen {FREE_PORT}"})
    with visiting(client("shop")) as visitor:
        with stopped(MACHINE, moment, listening) as standing, strange_listener():
            run = standing.go_on()
        wait_for(lambda: Site(MACHINE.address(), "shop.example").health() == 200, "the old site answers")
    assert refused(
        run,
        f"could not bind to address 0.0.0.0:{FREE_PORT}",
        "The previous configuration is back on the disk. httpd had ended, and was started again. The previous site was "
        "asked, and answers.",
    )
    assert unchanged(before)
    lost = [each.begun for each in visitor.lost]
    assert lost, "no reload has failed, so nothing was proven"
    assert max(lost) - min(lost) < OUTAGE_LIMIT


def test_a_new_vhost_that_is_not_healthy_and_a_release_whose_import_hangs(before: dict[str, Any]) -> None:
    """Each is told. What hangs hears neither SIGUSR1 nor SIGTERM, and mod_wsgi's own limit has not begun."""
    news = {"name": "news", "server_name": "news.example", "releases": {"strategy": "rolling"}, **BROKEN}
    hanging = {"news": news, "spoilt": HANGING, "wsgi_apps": "{{ [shop, blog | combine(spoilt), news] }}"}
    with no_request_is_lost("shop"):
        run = deploy(variables=hanging)
    assert refused(
        run,
        "The application news answered http://news.example/healthz with status 500 instead of 200",
        "RuntimeError: the database of the blog is not configured",
        "The processes of blog gave no answer within 8 s (startup_timeout is 3 s, and Python itself has 5 s; ",
        "TimeoutError: The application blog was not loaded within 3 s (startup_timeout)",
        "The previous configuration is back on the disk. httpd was reloaded. The previous site was asked, and answers.",
    )
    assert Site(MACHINE.address(), "blog.example").get("/").text == "blog\n"
    # Its account and its folders are no part of what serves.
    before["accounts"] = state()["accounts"]
    assert unchanged(before, "/srv/wsgi/news", "/etc/wsgi/news")
    assert MACHINE.run("ls", "/srv/wsgi/news").split() == ["releases", "venvs"]


def test_a_release_that_cannot_be_loaded(before: dict[str, Any]) -> None:
    processes = MACHINE.daemon_pids("shop")
    with no_request_is_lost("shop"):
        run = deploy(variables={"spoilt": BROKEN, "wsgi_apps": WITH_OTHER_BLOG})
    assert refused(
        run,
        "A new process of blog ended while it loaded the application; see /var/log/apache2/blog-error.log.",
        "Traceback (most recent call last)",
        "RuntimeError: the database of the blog is not configured",
        "The previous configuration is back on the disk. httpd had not read the new one, and was left alone. "
        "The previous site was asked, and answers.",
    )
    assert run.output.count("RuntimeError: the database of the blog is not configured") == 1, "told more than once"
    assert "python_prefix" not in run.output, "what others have answered is no part of it"
    assert Site(MACHINE.address(), "blog.example").get("/").text == "blog\n"
    assert processes == MACHINE.daemon_pids("shop"), "the neighbour noticed nothing"
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
    assert unchanged(before)
    assert MACHINE.attempt("test", "-e", "/srv/wsgi/blog/maintenance").returncode == 1
    for name in ("shop", "blog"):
        assert Site(MACHINE.address(), f"{name}.example").get("/").text == f"{name}\n"


# The two files of the change are renamed in the copy that httpd tests, too, and before.
HALF_RENAMED = Moment("half of the files are renamed", "os.rename", "modwsgi-new~", count=4)


def test_a_module_that_is_killed_is_undone_by_the_same_run(before: dict[str, Any], changed: dict[str, Any]) -> None:
    with no_request_is_lost(), stopped(MACHINE, HALF_RENAMED, a_run(changed)) as standing:
        run = standing.kill_module()
    assert refused(run, "httpd had not read the new one, and was left alone. The previous site was asked, and answers.")
    assert unchanged(before)


@dataclass(frozen=True)
class Runs:
    """A run of the change that was killed, and the next one, which has the previous variables.

    `change` and `previous` are what the two have called on the host in the end, where all of it happens. That is enough
    to kill the change at further moments, and to look what the next run finds.
    """

    before: dict[str, Any]
    after: dict[str, Any]
    next: Deployment
    change: Call
    previous: Call


@pytest.fixture(name="runs", scope="module")
def fixture_runs(changed: dict[str, Any]) -> Runs:
    """The two whole runs."""
    moment = Moment("the files are renamed, and the journal does not say so yet", "os.rename", "01-applied.json")
    before = state()
    with no_request_is_lost():
        with stopped(MACHINE, moment, a_run(changed, KEEPING)) as standing:
            standing.kill_everything()
        change = last_call(MACHINE, "wsgi_go_live")
        run = deploy(environment=KEEPING)
    return Runs(before, state(), run, change, last_call(MACHINE, "wsgi_go_live"))


def test_a_run_that_is_killed_is_undone_by_the_next_run(runs: Runs) -> None:
    assert runs.next.status == 0, runs.next.output
    assert differences(runs.before, runs.after) == {}
    assert Site(MACHINE.address(), "shop.example").get("/").text == "shop\n"


HALF_DONE, ALL_DONE = False, True
"""Whether the change was complete when it was killed, so that its release has served."""
MOMENTS = [
    (Moment("before the new configuration is tested", "subprocess.Popen", "apache2ctl"), HALF_DONE),
    (Moment("between the two links of a release", "os.rename", "/srv/wsgi/blog/.current.modwsgi-new~"), HALF_DONE),
    (Moment("all is done, and the journal still open", "os.rename", "committed.json"), ALL_DONE),
    (Moment("what was kept is being removed", "os.remove", "modwsgi-02~"), ALL_DONE),
]


def killed(moment: Moment, change: Call) -> None:
    """Kill the change."""
    with stopped(MACHINE, moment, change.begin) as standing:
        standing.kill_everything()


@pytest.mark.parametrize(("moment", "complete"), MOMENTS, ids=lambda value: getattr(value, "name", ""))
def test_a_change_that_is_killed(runs: Runs, before: dict[str, Any], moment: Moment, complete: bool) -> None:
    with no_request_is_lost():
        killed(moment, runs.change)
        found = runs.previous.perform()
    assert "msg" not in found, found
    # A release that has served stays in the history of releases, with its record.
    # So do links to its static files, for a while.
    history = [f"/srv/wsgi/blog/{name}" for name in ("deployment.json", "records", "previous")] if complete else []
    assert unchanged(before, *history)
    assert Site(MACHINE.address(), "shop.example").get("/").text == "shop\n"


def test_httpd_never_reads_half_a_change(runs: Runs, before: dict[str, Any]) -> None:
    with no_request_is_lost():
        killed(HALF_RENAMED, runs.change)
        assert differences(before, state()) != {}, "nothing was renamed, so nothing is proven"
        MACHINE.run("systemctl", "reload", "apache2")
        assert unchanged(before)
        found = runs.previous.perform()
    assert found["changed"] is False, found


def test_a_boot_finds_the_configuration_that_was_proven(runs: Runs, before: dict[str, Any]) -> None:
    killed(Moment("httpd has not been told yet", "os.rename", "acted.json"), runs.change)
    MACHINE.engine("restart")
    Site(MACHINE.address(), "shop.example").wait_until_it_answers()
    assert unchanged(before)
    found = runs.previous.perform()
    assert "msg" not in found, found
    assert unchanged(before)


def test_the_change_itself_is_good(runs: Runs, changed: dict[str, Any]) -> None:
    """It stays: what was killed above does succeed."""
    with no_request_is_lost():
        run = deploy(variables=changed)
        assert run.status == 0, run.output
        again = runs.change.perform()
    assert again["changed"] is False, again
    assert "Timeout 61" in MACHINE.run("cat", "/etc/apache2/conf-enabled/modwsgi-httpd.conf")
    assert MACHINE.run("find", "/", "-xdev", "-name", "*modwsgi-*~") == ""
    assert MACHINE.attempt("test", "-e", "/var/lib/modwsgi/apache2/transaction").returncode == 1


def blog() -> tuple[str, str, Any]:
    """Its release in the daemon processes, what its vhost adds to answers, and its environment variables."""
    answer = Site(MACHINE.address(), "blog.example").get("/")
    assert answer.text == "blog\n"
    variables = json.loads(MACHINE.run("cat", "/etc/wsgi/blog/environment.json"))
    return Path(MACHINE.probe("blog")["release"]).name, answer.headers.get("X-Release", ""), variables


def statics() -> list[str]:
    """What visitors get of the blog's static files; the status where that is not 200."""
    asked = [Site(MACHINE.address(), "blog.example").get(f"/static/{name}") for name in STATICS]
    return [answer.text.strip() if answer.status_code == 200 else str(answer.status_code) for answer in asked]


STATICS = ("blog.1111.css", "blog.2222.css", "same.txt")
STATE = "/var/lib/wsgi/blog"
UNTIL = "/srv/wsgi/blog/previous/until"


def test_an_operator_takes_the_change_back_by_command(changed: dict[str, Any]) -> None:
    """Last: of the release that was proven just before."""
    left, *others = blog()
    assert others == ["changed", {"KEY": "changed"}]
    assert statics() == ["1111", "1111", "changed"], "those of both releases, and of two the new one's"
    MACHINE.run("tee", UNTIL, text="20000101000000")
    assert statics() == ["404", "1111", "changed"], "the time is over"
    MACHINE.run("touch", f"{STATE}/cannot")
    failed = MACHINE.attempt("wsgi-release", "blog", "rollback")
    assert failed.returncode == 1
    assert "key rollback_commands: sh -c " in failed.stderr
    assert blog()[0] == left
    MACHINE.run("rm", f"{STATE}/cannot")
    with no_request_is_lost():
        said = MACHINE.run("wsgi-release", "blog", "rollback")
    release, *others = blog()
    assert MACHINE.run("cat", f"{STATE}/undone").split() == [release, "wsgi-blog"]
    assert release != left
    assert others == ["", {}]
    assert statics() == ["1111", "1111", "same"], "also those of the release that was left"
    assert said.startswith(f"blog serves release {release} ")
    assert "Not brought back: the application's data, but for what its rollback_commands have undone before: " in said
    assert MACHINE.run("wsgi-release", "blog", "status").startswith(f"blog serves release {release} ")
    run = deploy(variables=changed)
    assert refused(run, f"this host was rolled back by hand from release {left} to {release} (")
    assert blog()[0] == release
