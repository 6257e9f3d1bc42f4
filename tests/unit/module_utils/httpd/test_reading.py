# SPDX-License-Identifier: Apache-2.0
"""httpd's print of its configuration is read as httpd means it."""

from __future__ import annotations

from pathlib import Path

from ansible_collections.modwsgi.deploy.plugins.module_utils.httpd import reading
from ansible_collections.modwsgi.deploy.plugins.module_utils.httpd.reading import Directive


def test_a_print_is_read_as_httpd_means_it() -> None:
    dump = '# In file: /etc/x\n#   5:\nListen 80\n<VirtualHost *:80>\n  Header set A "b c"\n</VirtualHost>\n'
    assert list(reading.parsed(dump)) == [
        Directive("/etc/x", 5, "listen", ("80",), 0),
        Directive("/etc/x", 5, "<virtualhost", ("*:80",), 1),
        Directive("/etc/x", 5, "header", ("set", "A", "b c"), 1, (("<virtualhost", "*:80"),)),
    ]


def test_a_line_that_is_no_shell_text_is_read_all_the_same() -> None:
    found = reading.parsed("ErrorDocument 404 \"it's not here\nListen 80 https\n")
    assert [(each.name, each.arguments) for each in found] == [
        ("errordocument", ("404", "\"it's", "not", "here")),
        ("listen", ("80", "https")),
    ]


def test_without_the_module_that_prints_nothing_is_printed(tmp_path: Path) -> None:
    instance = {"module_directory": str(tmp_path), "control": "/bin/true"}
    assert (reading.dump_options(instance), reading.dump(instance)) == ([], "")
    (tmp_path / "mod_info.so").touch()
    assert reading.dump_options(instance)[:2] == ["-c", f"LoadModule info_module {tmp_path}/mod_info.so"]
