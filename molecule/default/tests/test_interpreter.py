# SPDX-License-Identifier: Apache-2.0
"""The module that runs was built by us for Python 3.11, and what the build needed is gone."""

from __future__ import annotations

import re

from support.managed_host import ManagedHost
from support.newest import NEWEST

PYTHON = "3.11"
PREFIX = f"/opt/mod_wsgi/{NEWEST}-cp311"
BUILDER = "debian12-ssh"
"""The host whose container name ends so is named to build the wheel; the other one gets it."""

COMPILERS = re.compile(r"(gcc|g\+\+|clang|cpp)(-\d+)?|build-essential|make|binutils|.*-dev|.*-dev-bin")


def test_each_daemon_group_runs_the_target_python_and_our_module(machine: ManagedHost, application: str) -> None:
    answer = machine.probe(application)
    assert answer["version_info"][:2] == [3, 11]
    assert re.fullmatch(rf"/srv/wsgi/{application}/(venv(-blue|-green)?|venvs/\w+)", answer["prefix"])
    assert ".".join(map(str, answer["mod_wsgi_version"])) == NEWEST
    assert answer["process_group"] == machine.group(application)
    assert answer["application_group"] == ""


def test_the_loaded_module_is_ours_and_not_the_distribution_s(machine: ManagedHost, application: str) -> None:
    daemon = machine.daemon_processes(application)[0]
    mapped = set(re.findall(r"/\S*(?:mod_wsgi|libpython)\S*", machine.run("cat", f"/proc/{daemon.pid}/maps")))
    (module,) = [path for path in mapped if "mod_wsgi" in path]
    (library,) = [path for path in mapped if "libpython" in path]
    assert module.startswith(f"{PREFIX}/")
    assert "cpython-311" in module
    assert library.endswith(f"/libpython{PYTHON}.so.1.0")
    assert f"libpython{PYTHON}.so.1.0 => {library}" in machine.run("ldd", module)
    assert "libapache2-mod-wsgi-py3" not in machine.installed_packages()


def test_express_is_usable_and_means_the_same_module(machine: ManagedHost) -> None:
    location = machine.run(f"{PREFIX}/bin/mod_wsgi-express", "module-location").strip()
    assert f"LoadModule wsgi_module {location}" in machine.run("cat", "/etc/apache2/mods-enabled/modwsgi.load").replace(
        '"', ""
    )


def test_the_fact_tells_later_plays_what_is_installed(machine: ManagedHost) -> None:
    fact = machine.python("print(open('/etc/ansible/facts.d/mod_wsgi.fact').read())")
    assert NEWEST in str(fact)
    assert PYTHON in str(fact)


def test_no_compiler_and_no_headers_are_left(machine: ManagedHost) -> None:
    left = sorted(name for name in machine.installed_packages() if COMPILERS.fullmatch(name))
    assert left == []


def test_the_named_host_built_the_wheel_and_the_other_never_had_a_compiler(machine: ManagedHost) -> None:
    history = machine.run("sh", "-c", "cat /var/log/dpkg.log*")
    compiler = re.search(r" install (gcc|apache2-dev)(-\d+)?:", history)
    assert " install apache2:" in history, "the log tells what was installed"
    if machine.container.endswith(BUILDER):
        assert compiler, "the named host is the one that builds"
    else:
        assert compiler is None, compiler
