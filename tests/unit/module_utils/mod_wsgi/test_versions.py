# SPDX-License-Identifier: Apache-2.0
"""The version table holds what was measured, and its look-ups read it rightly."""

from __future__ import annotations

import re

import pytest
from ansible_collections.modwsgi.deploy.plugins.module_utils.distributions import DISTRIBUTIONS
from ansible_collections.modwsgi.deploy.plugins.module_utils.mod_wsgi.versions import (
    BUILD_REQUIREMENTS,
    DEFAULT_VERSION,
    MODULE_VERSIONS,
    build_packages,
    range_reason,
    runtime_packages,
    version_key,
    versions_for,
)


def test_the_default_is_the_newest_verified_version():
    verified = [name for name, known in MODULE_VERSIONS.items() if known.sha256 and not known.known_bad]

    assert max(verified, key=version_key) == DEFAULT_VERSION


def test_checksums_are_sha256_and_differ():
    checksums = [known.sha256 for known in MODULE_VERSIONS.values() if known.sha256]

    assert all(re.fullmatch("[0-9a-f]{64}", checksum) for checksum in checksums)
    assert len(set(checksums)) == len(checksums) == 4


def test_each_build_requirement_is_pinned_by_version_and_checksum():
    assert all(re.fullmatch(r"[a-z]+==[\d.]+( --hash=sha256:[0-9a-f]{64})+", line) for line in BUILD_REQUIREMENTS)


@pytest.mark.parametrize(
    ("version", "python", "words"),
    [
        ("4.9.0", "3.10", ""),
        ("4.9.0", "3.11", "does not compile with Python 3.11 or later, where PyFrameObject is opaque"),
        ("4.9.0", "3.14", "PyFrameObject is opaque"),
        ("4.9.1", "3.8", ""),
        ("4.9.1", "3.13", ""),
        ("4.9.1", "3.14", "it calls PySys_AddWarnOption, which Python 3.13 and later do not declare"),
        ("4.9.4", "3.14", "PySys_AddWarnOption"),
        ("5.0.2", "3.14", ""),
        ("5.0.2", "3.7", "no older Python has been tried with it"),
        ("6.1.1", "3.9", "asks for Python 3.10 or later"),
        ("6.1.1", "3.10", ""),
        ("6.1.1", "3.14", ""),
        ("6.1.1", "3.15", "names Python 3.15 as supported, which was not tried"),
        ("5.0.2", "3.15", "no newer Python has been tried with it"),
        ("7.0.0", "3.9", ""),  # not in the table: nothing is known against it
    ],
)
def test_what_is_not_supported_has_a_reason(version, python, words):
    reason = range_reason(version, python)
    assert words in reason
    assert bool(reason) == bool(words)


@pytest.mark.parametrize(
    ("version", "python", "fits"),
    [("4.9.1", "3.12", True), ("4.9.1", "3.13", False), ("4.9.4", "3.13", False), ("5.0.2", "3.13", True)],
)
def test_a_strict_compiler_narrows_the_range(version, python, fits):
    assert range_reason(version, python) == ""
    assert (range_reason(version, python, strict_compiler=True) == "") is fits


def test_no_reason_contradicts_its_range():
    """A reason names the first Python that does not fit, or the first that does."""
    for name, known in MODULE_VERSIONS.items():
        minor = int(known.pythons(strict_compiler=True)[1].split(".")[1])
        if "compile" in known.too_new:
            assert re.search(rf"Python 3\.{minor + 1} (or|and) later", known.too_new), name
        if "asks" in known.too_old:
            assert f"Python {known.first_python} or later" in known.too_old, name


@pytest.mark.parametrize("version", ["4.9.0", "4.9.1", "4.9.2"])
def test_the_forged_address_is_named_where_it_applies(version):
    assert "CVE-2022-2255" in MODULE_VERSIONS[version].known_bad


@pytest.mark.parametrize(
    ("version", "word"), [("4.9.3", "1 GiB"), ("6.0.0", "POST"), ("6.0.4", "POST"), ("6.0.5", "32-bit")]
)
def test_known_bad_versions_say_why(version, word):
    assert word in MODULE_VERSIONS[version].known_bad


@pytest.mark.parametrize("version", ["4.9.4", "5.0.2", "6.1.1"])
def test_good_versions_are_not_known_to_be_bad(version):
    assert MODULE_VERSIONS[version].known_bad == ""


def test_versions_for_a_python_are_the_verified_ones_newest_first():
    assert versions_for("3.11") == ["6.1.1", "5.0.2", "4.9.4"]
    assert versions_for("3.13") == ["6.1.1", "5.0.2", "4.9.4"]
    assert versions_for("3.13", strict_compiler=True) == ["6.1.1", "5.0.2"]
    assert versions_for("3.9") == ["5.0.2", "4.9.4"]
    assert versions_for("3.7") == []


def test_versions_sort_by_number():
    assert version_key("3.9") < version_key("3.10")


def test_each_distribution_has_a_python_that_the_default_supports_or_a_legacy_line():
    assert all(versions_for(entry.python, entry.strict_compiler) for entry in DISTRIBUTIONS.values())


def test_a_distributions_own_module_fits_its_python():
    packaged = [entry for entry in DISTRIBUTIONS.values() if entry.module_version]
    assert packaged
    assert not [entry for entry in packaged if range_reason(entry.module_version, entry.python, entry.strict_compiler)]


def test_packages():
    assert runtime_packages("3.11") == ["python3.11", "libpython3.11", "python3.11-venv"]
    assert "python3.11-dev" in build_packages("3.11", from_distribution=True)
    assert not [name for name in build_packages("3.12", from_distribution=False) if name.startswith("python")]
