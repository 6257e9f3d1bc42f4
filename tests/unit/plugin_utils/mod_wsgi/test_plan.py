# SPDX-License-Identifier: Apache-2.0
"""What the role decides on the control node: refusals, the wheel's key, and what is to be done."""

from __future__ import annotations

import copy
import hashlib
import json
from zipfile import ZipFile

import pytest
import yaml
from ansible_collections.modwsgi.deploy.plugins.action.mod_wsgi_order import plans as plans_of
from ansible_collections.modwsgi.deploy.plugins.module_utils.instance import instance
from ansible_collections.modwsgi.deploy.plugins.module_utils.mod_wsgi.versions import MODULE_VERSIONS
from ansible_collections.modwsgi.deploy.plugins.plugin_utils.host_answers import AnswerError
from ansible_collections.modwsgi.deploy.plugins.plugin_utils.httpd.quoting import QuotingError
from ansible_collections.modwsgi.deploy.plugins.plugin_utils.mod_wsgi import plan as mod_wsgi_plan
from support.preflight import INSPECTION, MODULE_SETTINGS

PUBLISHED = MODULE_VERSIONS["6.1.1"].sha256
WHEEL = "mod_wsgi-6.1.1-cp311-cp311-linux_x86_64.whl"
HOST_KEY = "debian12-x86_64-mmn20120211-cp311"
DIGESTS = "".join(hashlib.sha256(source.read_bytes()).hexdigest() for source in mod_wsgi_plan.COMPANION_SOURCES)
COMPANIONS = hashlib.sha256(DIGESTS.encode()).hexdigest()[:12]


def key_of(*further):
    return "-".join([HOST_KEY, *further, f"with_{COMPANIONS}"])


KEY = key_of()


@pytest.fixture
def settings(tmp_path):
    return {**MODULE_SETTINGS, "wheel_cache": str(tmp_path / "wheels")}


@pytest.fixture
def inspection():
    return copy.deepcopy(INSPECTION)


@pytest.fixture
def own_python(inspection):
    own = {"executable": "/opt/python/3.11/bin/python3.11", "prefix": "/opt/python/3.11", "from_distribution": False}
    inspection["interpreter"].update(own, headers=True)
    return inspection


def use_python(inspection, version, **changes):
    """The host has this Python, and it is not the distribution's."""
    digits = version.replace(".", "")
    inspection["interpreter"].update(
        executable=f"/opt/bin/python{version}",
        version=version,
        full_version=f"{version}.1",
        prefix="/opt",
        abi=f"cp{digits}",
        libpython=f"/opt/lib/libpython{version}.so.1.0",
        extension_suffix=f".cpython-{digits}-x86_64-linux-gnu.so",
        from_distribution=False,
        headers=True,
    )
    inspection["interpreter"].update(changes)


def install(settings, inspection, **changes):
    """The host has an installation with this record."""
    plan = mod_wsgi_plan.plan(settings, inspection)
    record = mod_wsgi_plan.record(settings, inspection, plan)
    inspection["installation"] = {**record, "wheel_sha256": "c" * 64, **changes}


def the_problem(settings, **changes):
    """The one sentence about changed settings, which must name the host and say what to do."""
    (problem,) = mod_wsgi_plan.settings_problems({**settings, **changes})
    assert "web1" in problem
    assert problem.endswith(".")
    assert ";" in problem
    return problem


def put_wheel(settings, key=KEY):
    folder = mod_wsgi_plan.Path(settings["wheel_cache"], mod_wsgi_plan.builder_folder(settings), key)
    folder.mkdir(parents=True, exist_ok=True)
    (folder / WHEEL).write_bytes(b"a wheel")
    checksum = hashlib.sha256(b"a wheel").hexdigest()
    (folder / f"{WHEEL}.sha256").write_text(f"{checksum}  {WHEEL}\n", encoding="utf-8")
    return folder / WHEEL, checksum


class TestSettings:
    @pytest.mark.parametrize(
        "changes",
        [
            {},
            {"python": "/opt/python/bin/python3"},
            {"source_sha256": PUBLISHED.upper()},
            *({"version": version} for version in ("4.9.4", "5.0.2")),
            *({"version": version, "destroy_interpreter": False} for version in ("4.9.4", "5.0.2", "6.1.1")),
            *({"reload_drain_timeout": seconds} for seconds in (0, 0.5, 30, "2.0")),
        ],
        ids=str,
    )
    def test_what_is_accepted(self, settings, changes):
        assert mod_wsgi_plan.settings_problems({**settings, **changes}) == []

    @pytest.mark.parametrize(
        ("changes", "words"),
        [
            ({"python": "3.1"}, ['put it in quotes in the inventory: "3.10"']),
            ({"python": "3.9"}, ["mod_wsgi 6.1.1 supports Python 3.10 to 3.14", "5.0.2, 4.9.4"]),
            ({"version": "six"}, ['mod_wsgi_version of host web1 is "six"']),
            ({"version": "4.9.1"}, ["CVE-2022-2255", "mod_wsgi_allow_known_bad: ['4.9.1']"]),
            ({"version": "4.9.1", "allow_known_bad": ["6.0.0"]}, ["known to be bad"]),
            (
                {"version": "4.9.0", "python": "3.9", "allow_known_bad": ["4.9.0"], "destroy_interpreter": False},
                ["destroy_interpreter of host web1 is false, which mod_wsgi 4.9.0 does not know", "4.9.1 or later"],
            ),
            ({"source_sha256": "abc"}, ["is not a SHA-256"]),
            ({"source_sha256": "a" * 64}, [f"expected {'a' * 64}", f"got {PUBLISHED}"]),
            ({"source": "/nowhere/mod_wsgi-6.1.1.tar.gz"}, ["no .tar.gz file"]),
        ],
    )
    def test_what_is_refused(self, settings, changes, words):
        problem = the_problem(settings, **changes)
        assert [word for word in words if word not in problem] == []

    @pytest.mark.parametrize("python", ["python3", "3.11.2", "3", "311", "bin/python", ""])
    def test_what_is_neither_version_nor_path(self, settings, python):
        assert f'mod_wsgi_python of host web1 is "{python}"' in the_problem(settings, python=python)

    @pytest.mark.parametrize(
        ("version", "python", "reason"),
        [
            ("4.9.0", "3.11", "it does not compile with Python 3.11 or later, where PyFrameObject is opaque"),
            ("4.9.4", "3.14", mod_wsgi_plan.range_reason("4.9.4", "3.14")),
            ("6.1.1", "3.9", "its source distribution asks for Python 3.10 or later"),
        ],
    )
    def test_a_python_that_does_not_fit_is_refused_with_the_reason(self, settings, version, python, reason):
        problem = the_problem(settings, version=version, python=python, allow_known_bad=[version])
        assert f"host web1 is to use {python} ({reason}); set mod_wsgi_version to one of" in problem

    def test_a_known_bad_version_by_name(self, settings):
        assert mod_wsgi_plan.settings_problems({**settings, "version": "4.9.1", "allow_known_bad": ["4.9.1"]}) == []

    @pytest.mark.parametrize("version", ["5.0.1", "6.2.0"])
    def test_no_checksum_is_known(self, settings, version):
        assert f"No checksum is known for mod_wsgi {version}" in the_problem(settings, version=version)

    @pytest.mark.parametrize("version", ["5.0.1", "6.2.0"])
    def test_the_user_gives_the_checksum(self, settings, version):
        assert mod_wsgi_plan.settings_problems({**settings, "version": version, "source_sha256": "a" * 64}) == []

    @pytest.mark.parametrize("seconds", [-0.1, 30.5, float("nan"), float("inf")])
    def test_a_reload_that_waits_for_ever(self, settings, seconds):
        problem = the_problem(settings, reload_drain_timeout=seconds)
        assert problem.startswith(
            f"mod_wsgi_reload_drain_timeout of host web1 is {seconds:g}; give seconds from 0 (off)"
        )

    def test_the_bounds_and_the_default_are_those_of_the_module_and_the_role(self):
        source = mod_wsgi_plan.COMPANION_SOURCES[0]
        assert f"#define LONGEST_SECONDS {mod_wsgi_plan.LONGEST_RELOAD_DRAIN}\n" in source.read_text(encoding="utf-8")
        defaults = yaml.safe_load((source.parents[1] / "defaults/main.yml").read_text(encoding="utf-8"))
        assert defaults["mod_wsgi_reload_drain_timeout"] == mod_wsgi_plan.DEFAULT_RELOAD_DRAIN

    def test_a_source_of_another_content(self, settings, tmp_path):
        source = tmp_path / "mod_wsgi-6.1.1.tar.gz"
        source.write_bytes(b"something else")
        problem = the_problem(settings, source=str(source))
        assert f"expected {PUBLISHED}" in problem
        assert f"got {hashlib.sha256(b'something else').hexdigest()}" in problem

    def test_a_source_of_the_users_with_its_checksum(self, settings, tmp_path):
        source = tmp_path / "mod_wsgi-6.1.1.tar.gz"
        source.write_bytes(b"patched")
        checksum = hashlib.sha256(b"patched").hexdigest()
        assert mod_wsgi_plan.settings_problems({**settings, "source": str(source), "source_sha256": checksum}) == []

    @pytest.mark.parametrize(
        ("option", "method"),
        [("wheel", "source"), ("wheel_sha256", "source"), ("source", "wheel"), ("source_sha256", "package")],
    )
    def test_an_option_of_another_method(self, settings, option, method):
        problems = mod_wsgi_plan.settings_problems({**settings, option: "/x", "install_method": method})
        assert f"mod_wsgi_{option} of host web1 is set, and mod_wsgi_install_method is {method}" in problems[0]

    @pytest.mark.parametrize(
        ("name", "words"),
        [
            ("mod_wsgi-4.9.4-cp311-cp311-linux_x86_64.whl", "holds mod_wsgi 4.9.4"),
            ("flask-3.0.0-py3-none-any.whl", "no wheel of mod_wsgi"),
        ],
    )
    def test_a_wheel_of_something_else(self, settings, tmp_path, name, words):
        (tmp_path / name).touch()
        assert words in the_problem(settings, wheel=str(tmp_path / name), install_method="wheel")


class TestPlan:
    def test_a_fresh_host_builds(self, settings, inspection):
        plan = mod_wsgi_plan.plan(settings, inspection)
        assert plan["problem"] == ""
        assert plan["action"] == "build"
        assert plan["key"] == KEY
        assert plan["directory"] == "/opt/mod_wsgi/6.1.1-cp311"
        assert plan["express"] == "/opt/mod_wsgi/6.1.1-cp311/bin/mod_wsgi-express"
        assert plan["module"] == (
            "/opt/mod_wsgi/6.1.1-cp311/lib/python3.11/site-packages/mod_wsgi/server/"
            "mod_wsgi-py311.cpython-311-x86_64-linux-gnu.so"
        )
        assert plan["source_sha256"] == PUBLISHED

    def test_a_kept_wheel_is_used(self, settings, inspection):
        wheel, checksum = put_wheel(settings)
        plan = mod_wsgi_plan.plan(settings, inspection)
        assert (plan["action"], plan["wheel"], plan["wheel_sha256"]) == ("install", str(wheel), checksum)

    def test_a_wheel_without_its_checksum_counts_as_absent(self, settings, inspection):
        wheel, _ = put_wheel(settings)
        wheel.with_name(f"{wheel.name}.sha256").unlink()
        assert mod_wsgi_plan.plan(settings, inspection)["action"] == "build"

    def test_a_kept_wheel_that_was_changed_is_refused(self, settings, inspection):
        wheel, checksum = put_wheel(settings)
        wheel.write_bytes(b"changed")
        problem = mod_wsgi_plan.plan(settings, inspection)["problem"]
        assert f"expected {checksum}" in problem
        assert str(wheel) in problem

    def test_an_installed_module_needs_nothing(self, settings, inspection):
        install(settings, inspection)
        plan = mod_wsgi_plan.plan(settings, inspection)
        assert (plan["action"], plan["installation"]) == ("none", inspection["installation"])

    def test_a_missing_package_is_installed(self, settings, inspection):
        put_wheel(settings)
        install(settings, inspection)
        inspection.update(missing_packages=["libpython3.11"])
        assert mod_wsgi_plan.plan(settings, inspection)["action"] == "install"

    def test_another_python_of_the_same_abi_is_installed_anew(self, settings, own_python):
        install(settings, own_python, key=KEY)
        plan = mod_wsgi_plan.plan(settings, own_python)
        assert (plan["action"], plan["key"]) == ("build", key_of("opt_python_3_11"))

    def test_another_source_has_a_key_of_its_own(self, settings, inspection):
        plan = mod_wsgi_plan.plan({**settings, "source_sha256": "b" * 64, "source": "mod_wsgi.tar.gz"}, inspection)
        assert plan["key"] == key_of(f"source_{'b' * 12}")

    def test_a_path_is_held_to_the_range_too(self, settings, inspection):
        use_python(inspection, "3.9")
        problem = mod_wsgi_plan.plan({**settings, "python": "/opt/bin/python3"}, inspection)["problem"]
        assert "mod_wsgi 6.1.1 supports Python 3.10 to 3.14, and host web1 is to use 3.9" in problem

    @pytest.mark.parametrize(("distribution", "title"), [("debian12", ""), ("debian13", "Debian 13")])
    def test_a_strict_compiler_narrows_the_range(self, settings, inspection, distribution, title):
        use_python(inspection, "3.13")
        inspection["distribution"] = distribution
        problem = mod_wsgi_plan.plan({**settings, "python": "3.13", "version": "4.9.4"}, inspection)["problem"]
        assert bool(problem) == bool(title)
        assert not title or (
            "mod_wsgi 4.9.4 supports Python 3.8 to 3.12 on Debian 13, and host web1 is to use 3.13 (it calls "
            "PySys_AddWarnOption,"
            in problem
            and "; set mod_wsgi_version to one of 6.1.1, 5.0.2, or" in problem
        )

    def test_a_build_needs_headers(self, settings, own_python):
        own_python["interpreter"]["headers"] = False
        for compiles in ({"build_on": "each"}, {"build_on": "host:web1"}, {"verify_wheel": True}):
            assert "has no headers (Python.h)" in mod_wsgi_plan.plan({**settings, **compiles}, own_python)["problem"]
        assert mod_wsgi_plan.plan(settings, own_python)["problem"] == "", "build1 compiles"

    def test_a_kept_wheel_needs_no_headers(self, settings, own_python):
        own_python["interpreter"]["headers"] = False
        put_wheel(settings, key=key_of("opt_python_3_11"))
        assert mod_wsgi_plan.plan(settings, own_python)["problem"] == ""

    def test_the_method_wheel_never_builds(self, settings, inspection):
        problem = mod_wsgi_plan.plan({**settings, "install_method": "wheel"}, inspection)["problem"]
        assert "mod_wsgi_install_method of host web1 is wheel, and there is no " in problem

    def test_the_method_wheel_takes_what_was_built(self, settings, inspection):
        wheel, _ = put_wheel(settings)
        plan = mod_wsgi_plan.plan({**settings, "install_method": "wheel"}, inspection)
        assert (plan["problem"], plan["action"], plan["wheel"]) == ("", "install", str(wheel))

    @pytest.fixture
    def own_wheel(self, settings, tmp_path):
        """A wheel of the user's, which the settings name."""
        (tmp_path / WHEEL).write_bytes(b"own")
        settings.update(install_method="wheel", wheel=str(tmp_path / WHEEL))
        return hashlib.sha256(b"own").hexdigest()

    def test_a_wheel_of_the_users_stays_whatever_a_build_would_link_in(self, settings, inspection, own_wheel):
        install(settings, inspection, key=HOST_KEY, wheel_sha256=own_wheel)
        plan = mod_wsgi_plan.plan(settings, inspection)
        assert (plan["key"], plan["action"]) == (HOST_KEY, "none")

    def test_a_wheel_of_the_users(self, settings, inspection, own_wheel):
        plan = mod_wsgi_plan.plan(settings, inspection)
        assert (plan["action"], plan["wheel_sha256"]) == ("install", own_wheel)

    def test_a_changed_wheel_of_the_users_is_installed_anew(self, settings, inspection, own_wheel):
        install(settings, inspection, key=HOST_KEY, wheel_sha256=own_wheel[::-1])
        assert mod_wsgi_plan.plan(settings, inspection)["action"] == "install"

    @pytest.mark.parametrize("place", [0, 1])
    def test_another_source_of_a_companion_makes_another_wheel(
        self, settings, inspection, tmp_path, monkeypatch, place
    ):
        sources = list(mod_wsgi_plan.COMPANION_SOURCES)
        sources[place] = tmp_path / "mod_changed.c"
        sources[place].write_text("int changed;\n")
        install(settings, inspection)
        monkeypatch.setattr(mod_wsgi_plan, "COMPANION_SOURCES", sources)
        plan = mod_wsgi_plan.plan(settings, inspection)
        assert (plan["action"], plan["reload_drain"]) == ("build", True)
        assert plan["key"] != KEY

    @pytest.mark.parametrize(
        ("symbol", "able"), [(b"\0reload_drain_module\0", True), (b"\0unload_drain_module\0", False)]
    )
    def test_whether_a_wheel_of_the_users_can_hold_a_reload(self, settings, inspection, tmp_path, symbol, able):
        settings.update(install_method="wheel", wheel=str(tmp_path / WHEEL), reload_drain_timeout=5.0)
        with ZipFile(tmp_path / WHEEL, "w") as archive:
            archive.writestr("mod_wsgi/server/mod_wsgi-py311.so", b"\x7fELF" + symbol)
        plan = mod_wsgi_plan.plan(settings, inspection)
        assert plan["reload_drain"] is able
        assert bool(plan["problem"]) is not able
        assert mod_wsgi_plan.record(settings, inspection, plan)["reload_drain"] is able
        for tells_nothing in (0, 2.0):
            assert mod_wsgi_plan.plan({**settings, "reload_drain_timeout": tells_nothing}, inspection)["problem"] == ""

    @pytest.mark.parametrize("able", [True, False])
    def test_what_is_installed_says_itself_whether_it_can_hold_a_reload(self, settings, inspection, able):
        install(settings, inspection, reload_drain=able)
        assert mod_wsgi_plan.plan(settings, inspection)["reload_drain"] is able

    def test_a_wheel_for_another_python(self, settings, inspection, tmp_path):
        wheel = tmp_path / WHEEL.replace("311", "312")
        wheel.touch()
        plan = mod_wsgi_plan.plan({**settings, "install_method": "wheel", "wheel": str(wheel)}, inspection)
        assert f"the host needs {WHEEL}" in plan["problem"]


class TestPackage:
    @pytest.fixture(autouse=True)
    def method(self, settings):
        settings["install_method"] = "package"

    def test_the_distribution_decides_the_version(self, settings, inspection):
        plan = mod_wsgi_plan.plan(settings, inspection)
        assert plan["problem"] == ""
        assert (plan["version"], plan["module"]) == ("4.9.4", "/usr/lib/apache2/modules/mod_wsgi.so-3.11")

    def test_the_distributions_module_cannot_hold_a_reload(self, settings, inspection):
        assert mod_wsgi_plan.plan(settings, inspection)["reload_drain"] is False
        problem = mod_wsgi_plan.plan({**settings, "reload_drain_timeout": 3.5}, inspection)["problem"]
        assert problem == (
            "mod_wsgi_reload_drain_timeout of host web1 is 3.5, and /usr/lib/apache2/modules/mod_wsgi.so-3.11 cannot "
            "hold a reload, since it was not built by this role; use the method source, or remove "
            "mod_wsgi_reload_drain_timeout."
        )

    def test_an_installation_of_another_method_does_not_count(self, settings, inspection):
        install({**settings, "install_method": "source"}, inspection)
        assert mod_wsgi_plan.plan(settings, inspection)["installation"] == {}

    def test_another_version_is_refused(self, settings, inspection):
        problem = mod_wsgi_plan.plan({**settings, "version": "5.0.2"}, inspection)["problem"]
        assert "Debian 12 packages mod_wsgi 4.9.4, not 5.0.2" in problem

    def test_another_python_is_refused(self, settings, own_python):
        problem = mod_wsgi_plan.plan(settings, own_python)["problem"]
        assert "for its own Python 3.11, not for /opt/python/3.11/bin/python3.11" in problem

    def test_what_has_not_been_verified_is_refused(self, settings, inspection):
        inspection["distribution"] = "debian11"
        use_python(inspection, "3.9", prefix="/usr", executable="/usr/bin/python3.9", from_distribution=True)
        assert "has not been verified" in mod_wsgi_plan.plan(settings, inspection)["problem"]


class TestBuildOn:
    @pytest.fixture(autouse=True)
    def engine(self, monkeypatch):
        monkeypatch.setattr(mod_wsgi_plan.container_engine, "problem", lambda: "")

    @pytest.mark.parametrize("build_on", ["each", "control_container", "host:build1", "host:10.0.0.7"])
    def test_who_may_build(self, settings, build_on):
        assert mod_wsgi_plan.settings_problems({**settings, "build_on": build_on}) == []

    @pytest.mark.parametrize("build_on", ["", "Each", "container", "host", "host:", "build1", "host: ", "each "])
    def test_a_misspelt_builder(self, settings, build_on):
        assert f'mod_wsgi_build_on of host web1 is "{build_on}"' in the_problem(settings, build_on=build_on)

    def test_a_builder_that_the_inventory_does_not_have(self, settings):
        problem = the_problem(settings, build_host_known=False)
        assert "mod_wsgi_build_on of host web1 names build1, which is no host of the inventory" in problem

    def test_nothing_to_compare(self, settings):
        problem = the_problem(settings, build_on="each", verify_wheel=True)
        assert "mod_wsgi_verify_wheel of host web1 is true, and mod_wsgi_build_on is each" in problem

    def test_a_cache_of_nobody(self, settings):
        problem = the_problem(settings, build_on="each", install_method="wheel")
        assert "under which the control node keeps no wheel" in problem

    def test_each_host_compiles_for_itself(self, settings, inspection):
        put_wheel(settings)
        plan = mod_wsgi_plan.plan({**settings, "build_on": "each"}, inspection)
        assert (plan["action"], plan["wheel"], plan["build_host"]) == ("build", "", "web1")
        assert plan["wheel_name"] == WHEEL

    def test_a_wheel_of_before_is_not_trusted(self, settings, inspection):
        """The first host of a kind that came along filled the cache once, which had no folder for builders then."""
        folder = mod_wsgi_plan.Path(settings["wheel_cache"], KEY)
        folder.mkdir(parents=True)
        (folder / WHEEL).write_bytes(b"poisoned")
        (folder / f"{WHEEL}.sha256").write_text(hashlib.sha256(b"poisoned").hexdigest(), encoding="utf-8")
        for build_on in ("each", "control_container", "host:build1"):
            plan = mod_wsgi_plan.plan({**settings, "build_on": build_on}, inspection)
            assert (plan["action"], plan["wheel_sha256"]) == ("build", "")

    def test_each_builder_has_a_folder_of_its_own(self, settings):
        places = [
            "control_container",
            "host:build1",
            "host:build1-verified",
            "host:build1+verified",
            "host:..",
            "host:control_container",
        ]
        wanted = [{"build_on": place, "verify_wheel": verify} for place in places for verify in (False, True)]
        names = [mod_wsgi_plan.builder_folder({**settings, **changes}) for changes in wanted]
        assert len(set(names)) == len(wanted)
        assert not [name for name in names if "/" in name or name.startswith(".")]

    def test_a_container_for_a_python_of_the_users(self, settings, own_python):
        problem = mod_wsgi_plan.plan({**settings, "build_on": "control_container"}, own_python)["problem"]
        assert "a container has the distribution's Python, not /opt/python/3.11/bin/python3.11 (3.11); set" in problem

    def test_no_engine(self, settings, inspection, monkeypatch):
        monkeypatch.setattr(mod_wsgi_plan.container_engine, "problem", lambda: "the control node has no engine")
        settings["build_on"] = "control_container"
        problem = mod_wsgi_plan.plan(settings, inspection)["problem"]
        assert problem == (
            "mod_wsgi_build_on of host web1 is control_container, and the control node has no engine; start one, or "
            "set mod_wsgi_build_on to each or host:NAME."
        )
        put_wheel(settings)
        assert mod_wsgi_plan.plan(settings, inspection)["problem"] == "", "a wheel that is there needs none"

    def test_a_pinned_wheel(self, settings, inspection, tmp_path):
        wheel = tmp_path / WHEEL
        wheel.write_bytes(b"own")
        settings.update(
            install_method="wheel", wheel=str(wheel), wheel_sha256=hashlib.sha256(b"own").hexdigest().upper()
        )
        assert mod_wsgi_plan.settings_problems(settings) == []
        assert mod_wsgi_plan.plan(settings, inspection)["problem"] == ""
        wheel.write_bytes(b"other")
        problem = mod_wsgi_plan.plan(settings, inspection)["problem"]
        assert problem.startswith(f"Checksum mismatch for the wheel {wheel} of host web1: expected")

    def test_a_pin_holds_for_the_cache_too(self, settings, inspection):
        put_wheel(settings)
        settings.update(install_method="wheel", wheel_sha256="d" * 64)
        assert "Checksum mismatch for the wheel" in mod_wsgi_plan.plan(settings, inspection)["problem"]

    def test_a_pin_that_is_no_checksum(self, settings):
        settings["install_method"] = "wheel"
        assert "mod_wsgi_wheel_sha256 of host web1 is not a SHA-256" in the_problem(settings, wheel_sha256="abc")

    def test_a_builder_of_the_same_kind(self, settings, inspection):
        builder = copy.deepcopy(inspection)
        builder["interpreter"].update(full_version="3.11.9", installed=False)
        assert mod_wsgi_plan.build_host_problem(settings, inspection, builder) == ""

    @pytest.mark.parametrize(
        ("changes", "words"),
        [
            ({"architecture": "aarch64"}, "whose architecture is aarch64, and the host needs x86_64"),
            ({"httpd_api": 20200101}, "whose module API of httpd is 20200101, and the host needs 20120211"),
        ],
    )
    def test_a_builder_of_another_kind(self, settings, inspection, changes, words):
        problem = mod_wsgi_plan.build_host_problem(settings, inspection, {**copy.deepcopy(inspection), **changes})
        assert problem.startswith(f"mod_wsgi_build_on of host web1 names build1, {words}; name a host")

    def test_a_builder_with_another_python(self, settings, own_python):
        builder = copy.deepcopy(own_python)
        use_python(builder, "3.12")
        assert "whose Python is 3.12" in mod_wsgi_plan.build_host_problem(settings, own_python, builder)

    def test_a_builder_that_lies(self, settings, inspection):
        with pytest.raises(AnswerError, match="Host build1 answers"):
            mod_wsgi_plan.build_host_problem(settings, inspection, {**inspection, "architecture": "x/../.."})


class TestOrderer:
    @pytest.fixture
    def plans(self):
        # One Python and one httpd, so one key; two versions of the module.
        build = {"action": "build", "wheel": "a", "wheel_name": "a.whl", "build_on": "host", "build_host": "web2"}
        build |= {"settings": {"verify_wheel": False}, "wheel_sha256": ""}
        other = {**build, "wheel": "b"}
        return {"web1": {**build, "action": "none"}, "web2": build, "web3": other, "web4": build}

    def test_a_wheel_is_built_for_the_first_that_lacks_it(self, plans):
        assert mod_wsgi_plan.orderer("a", plans, plans) == "web2"
        assert mod_wsgi_plan.orderer("b", plans, plans) == "web3"

    def test_nobody_builds_what_nobody_lacks(self, plans):
        assert mod_wsgi_plan.orderer("c", plans, plans) == ""

    def test_hosts_without_a_plan_are_passed_over(self, plans):
        preflights = {name: {"mod_wsgi_plan": plan} for name, plan in plans.items()}
        hostvars = {name: {"modwsgi_preflight": each} for name, each in preflights.items()}
        hostvars |= {"web0": {}, "web9": {"modwsgi_preflight": {"failed": True}}}
        found = plans_of({"hostvars": hostvars, "ansible_play_batch": ["web0", "web9", *plans]})
        assert [name for name in plans if mod_wsgi_plan.order(name, found)["orders"]] == ["web2", "web3"]

    def test_the_second_build_is_anothers(self, plans):
        for plan in plans.values():
            plan["settings"] = {"verify_wheel": True}
        assert mod_wsgi_plan.orderer("a", plans, plans) == "web4"
        assert not mod_wsgi_plan.order("web2", plans)["orders"]
        words = "^mod_wsgi_verify_wheel of host web2 is true, and no host of this play but web2 itself"
        with pytest.raises(ValueError, match=words):
            mod_wsgi_plan.order("web2", {name: plans[name] for name in ("web1", "web2")})

    def test_a_host_that_compiles_for_itself_orders_and_gets_its_own(self, plans):
        own = {**plans["web2"], "build_on": "each", "wheel": ""}
        assert mod_wsgi_plan.order("web5", {**plans, "web5": own}, "f" * 64, ready=True) == {
            "orders": True,
            "wheel_sha256": "f" * 64,
        }

    def test_a_wheel_that_its_builder_did_not_make_is_missed(self, plans):
        assert mod_wsgi_plan.order("web4", plans) == {"orders": False, "wheel_sha256": ""}
        with pytest.raises(ValueError, match=r"^There is no wheel a for host web4, since the host of this play"):
            mod_wsgi_plan.order("web4", plans, ready=True)


class TestFiles:
    @pytest.fixture
    def installation(self, settings, inspection):
        plan = mod_wsgi_plan.plan(settings, inspection)
        return mod_wsgi_plan.record(settings, inspection, plan) | {"wheel_sha256": "c" * 64}

    @pytest.fixture
    def files(self, installation):
        return {file["path"]: file for file in mod_wsgi_plan.files(installation, instance("apache2"))}

    def test_the_libpython_is_loaded_before_the_module(self, files):
        content = files["mods-available/modwsgi.load"]["content"]
        library = content.index("LoadFile /usr/lib/x86_64-linux-gnu/libpython3.11.so.1.0")
        assert library < content.index("LoadModule wsgi_module /opt/mod_wsgi/6.1.1-cp311/")

    def test_another_wheel_at_the_same_path_changes_the_file(self, files, installation):
        other = mod_wsgi_plan.files(installation | {"wheel_sha256": "d" * 64}, instance("apache2"))
        assert other[0]["content"] != files["mods-available/modwsgi.load"]["content"]

    def test_the_interpreter_is_kept_only_where_it_is_asked_for(self, files, installation):
        assert "WSGIDestroyInterpreter" not in str(files), "an older module does not know the directive"
        kept = mod_wsgi_plan.files(installation, instance("apache2"), False)
        (settings,) = [file for file in kept if file["path"] == "mods-available/modwsgi.conf"]
        assert "\nWSGIDestroyInterpreter Off\n" in settings["content"]
        assert settings["action"] == "restart"

    def test_a_reload_waits(self, installation):
        load, conf = mod_wsgi_plan.files(installation, instance("apache2"), reload_drain_timeout=0.25)[:2]
        module = installation["module"]
        assert f"\nLoadModule wsgi_module {module}\nLoadModule reload_drain_module {module}\n" in load["content"]
        assert "\nReloadDrainTimeout 0.25\n" in conf["content"]

    def test_a_module_that_cannot_wait_is_not_asked_to(self, installation):
        load, conf = mod_wsgi_plan.files(installation | {"reload_drain": False}, instance("apache2"))[:2]
        assert "reloaddrain" not in (load["content"] + conf["content"]).lower().replace("_", "")

    @pytest.mark.parametrize(("name", "directory"), [("apache2", "/var/tmp"), ("container", "/tmp")])
    def test_slow_clients_hold_no_threads(self, installation, name, directory):
        load, conf = mod_wsgi_plan.files(installation, instance(name))[:2]
        assert f"\nLoadModule wsgi_buffering_module {installation['module']}\n" in load["content"]
        wanted = {"BufferingRequests On", "BufferingResponses On", f"BufferingDirectory {directory}"}
        assert wanted <= set(conf["content"].splitlines())

    def test_a_module_that_cannot_buffer_is_not_asked_to(self, installation):
        load, conf = mod_wsgi_plan.files(installation | {"wsgi_buffering": False}, instance("apache2"))[:2]
        assert "buffering" not in (load["content"] + conf["content"]).lower()

    def test_what_is_too_much_is_refused_where_the_module_can(self, installation):
        load = mod_wsgi_plan.files(installation, instance("apache2"))[0]
        assert load["content"].endswith(f"\nLoadModule wsgi_admission_module {installation['module']}\n")
        load = mod_wsgi_plan.files(installation | {"wsgi_admission": False}, instance("apache2"))[0]
        assert "admission" not in load["content"]

    def test_the_settings(self, files):
        lines = files["mods-available/modwsgi.conf"]["content"].splitlines()
        assert {"WSGIPythonHome /usr", "WSGISocketPrefix /run/wsgi/wsgi"} <= set(lines)

    def test_the_distributions_own_module_is_not_loaded_beside_it(self, files):
        assert files["mods-enabled/wsgi.load"]["absent"]
        assert files["mods-enabled/wsgi.conf"]["absent"]

    def test_all_of_it_in_httpd_needs_a_restart(self, files):
        assert {file.get("action") for path, file in files.items() if path.startswith("mods-")} == {"restart"}

    def test_the_facts_are_the_installation(self, files, installation):
        assert json.loads(files["/etc/ansible/facts.d/mod_wsgi.fact"]["content"]) == installation

    def test_the_facts_do_not_change_with_what_passes(self, settings, inspection, installation):
        later = copy.deepcopy(inspection)
        later["interpreter"].update(headers=True, installed=False)
        plan = mod_wsgi_plan.plan(settings, later)
        assert mod_wsgi_plan.record(settings, later, plan) | {"wheel_sha256": "c" * 64} == installation

    def test_a_path_with_a_space_is_quoted(self, installation):
        installation["interpreter"]["prefix"] = "/opt/my python"
        assert 'WSGIPythonHome "/opt/my python"' in mod_wsgi_plan.files(installation, instance("apache2"))[1]["content"]

    def test_a_path_that_httpd_cannot_carry_is_refused(self, installation):
        installation["interpreter"]["prefix"] = "/opt/my\npython"
        with pytest.raises(QuotingError, match=r"mod_wsgi_interpreter\.prefix"):
            mod_wsgi_plan.files(installation, instance("apache2"))


def test_a_wheel_that_changed_in_the_cache_is_refused(settings):
    wheel, _ = put_wheel(settings)
    wheel.write_bytes(b"changed")
    with pytest.raises(ValueError, match="Checksum mismatch for the cached wheel"):
        mod_wsgi_plan.cached_wheel(str(wheel))


@pytest.mark.parametrize("content", ["", "not a checksum\n"])
def test_a_checksum_file_without_a_checksum(tmp_path, content):
    path = tmp_path / "wheel.sha256"
    path.write_text(content, encoding="utf-8")
    assert mod_wsgi_plan.read_checksum(str(path)) == ""
