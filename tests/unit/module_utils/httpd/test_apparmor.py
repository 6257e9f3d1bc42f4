# SPDX-License-Identifier: Apache-2.0
"""What the kernel of a host has of AppArmor, by the files in which it says so."""

from __future__ import annotations

from pathlib import Path

import pytest
from ansible_collections.modwsgi.deploy.plugins.module_utils.httpd import apparmor


@pytest.fixture(name="folder")
def fixture_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr(apparmor, "FOLDER", tmp_path)
    monkeypatch.setattr(apparmor, "ENABLED", tmp_path / "enabled")
    monkeypatch.setattr(apparmor, "PROC", tmp_path / "proc")
    monkeypatch.setattr(apparmor, "PARSER", str(tmp_path / "parser"))
    return tmp_path


@pytest.mark.parametrize(
    ("enabled", "mounted", "has_it"),
    [("Y\n", True, True), ("Y\n", False, False), ("N\n", True, False), (None, True, False)],
)
def test_profiles_need_the_kernel_and_its_folder(
    enabled: str | None, mounted: bool, has_it: bool, folder: Path
) -> None:
    if enabled is not None:
        (folder / "enabled").write_text(enabled)
    if mounted:
        (folder / "profiles").write_text("")
    assert apparmor.takes_profiles() is has_it


@pytest.mark.parametrize(
    ("profiles", "ready"),
    [
        ("", True),
        ("/usr/bin/man (enforce)\nmodwsgi-apache2 (complain)\nmodwsgi-apache2//null-/tmp/x (complain)\n", True),
        ("/usr/sbin/apache2 (enforce)\n", False),
        ("apache2 (complain)\n", False),
        ("/usr/{bin,sbin}/apache2//HANDLING_UNTRUSTED_INPUT (enforce)\n", False),
    ],
)
def test_nothing_is_installed_or_replaced_by_default(profiles: str, ready: bool, folder: Path) -> None:
    (folder / "enabled").write_text("Y\n")
    (folder / "profiles").write_text(profiles)
    assert apparmor.is_ready("/usr/sbin/apache2") is False, "without the parser"
    (folder / "parser").write_text("")
    assert apparmor.is_ready("/usr/sbin/apache2") is False, "which is a program"
    (folder / "parser").chmod(0o755)
    assert apparmor.is_ready("/usr/sbin/apache2") is ready
    (folder / "enabled").write_text("N\n")
    assert apparmor.is_ready("/usr/sbin/apache2") is False


def test_the_kernel_names_the_profiles_that_it_knows(folder: Path) -> None:
    assert apparmor.knows("modwsgi-apache2") is False
    (folder / "profiles").write_text("/usr/bin/man (enforce)\nmodwsgi-apache2//null-/x (complain)\n")
    assert apparmor.knows("modwsgi-apache2") is False
    (folder / "profiles").write_text("/usr/bin/man (enforce)\nmodwsgi-apache2 (complain)\n")
    assert apparmor.knows("modwsgi-apache2") is True


@pytest.mark.parametrize(
    ("flags", "mode"),
    [("(attach_disconnected)", "enforce"), ("(attach_disconnected,complain)", "complain")],
)
def test_the_file_of_a_profile_says_its_mode(flags: str, mode: str, tmp_path: Path) -> None:
    file = tmp_path / "profile"
    file.write_text(f"# flags=(complain)\n#include <tunables/global>\n\nprofile x flags={flags} {{\n  / r,\n}}\n")
    assert apparmor.mode(str(file)) == mode


def test_a_process_has_the_profile_that_the_kernel_says(folder: Path) -> None:
    assert apparmor.label(7) == "unconfined"
    current = folder / "proc/7/attr/current"
    current.parent.mkdir(parents=True)
    for text, label in (("unconfined\n", "unconfined"), ("x (complain)\n\0", "x (complain)"), ("", "unconfined")):
        current.write_text(text)
        assert apparmor.label(7) == label
