# SPDX-License-Identifier: Apache-2.0
"""The command line of wsgi-release. Runs on the managed host, as root, from what host_code has kept."""

from __future__ import annotations

import argparse
import json
import os
import pwd
import signal
import socket
import sys
import traceback
from collections.abc import Mapping, Sequence
from typing import Any

from ansible_collections.modwsgi.deploy.plugins.module_utils.deploy import rollback
from ansible_collections.modwsgi.deploy.plugins.module_utils.deploy.log import printable
from ansible_collections.modwsgi.deploy.plugins.module_utils.deploy.rollback import Releases, RollbackError, Wish
from ansible_collections.modwsgi.deploy.plugins.module_utils.httpd.journal import JournalError
from ansible_collections.modwsgi.deploy.plugins.module_utils.instance import DEFAULT_INSTANCE, instance

GOOD, NOT_GOOD, FAULT = 0, 1, 2
"""The exit status."""

DESCRIPTION = """\
The releases of the WSGI application APP that are on this host.

  list      those that are here: since when each serves or has served, its source version, and who has switched to it
  status    the active one, and whether its probe and its health path answer as they should
  rollback  go back to RELEASE, or to the one before: code, virtual environment, environment variables and vhost as
            they were. Before that, the application's rollback_commands run in the release that serves. What they do
            not undo of the application's data, such as migrations, stays as it is.
"""
EPILOG = """\
RELEASE is a name that `list` shows, or its begin. A release that does not answer as it should does not stay: what has
served before comes back. Until the next release, site.yml refuses the one that you have gone back from.

The exit status is 0 when all is well, 1 when something is not or nothing could be done, and 2 for a fault of
wsgi-release.

Examples: wsgi-release shop list
          wsgi-release shop rollback
"""
COLUMNS = {"release": "RELEASE", "source": "SOURCE", "since": "SINCE", "by": "BY"}


def caller() -> str:
    """Who has called this, for the record."""
    name = os.environ.get("SUDO_USER") or pwd.getpwuid(os.getuid()).pw_name
    return printable(f"{name}@{socket.gethostname()}")


def table(rows: Sequence[Mapping[str, Any]], columns: Mapping[str, str]) -> list[str]:
    """Rows as lines, each column as wide as it has to be."""
    lines = [list(columns.values())] + [[printable(str(row[key])) or "-" for key in columns] for row in rows]
    widths = [max(len(line[index]) for line in lines) for index in range(len(columns))]
    return ["  ".join(text.ljust(width) for text, width in zip(line, widths)).rstrip() for line in lines]


def mark(row: dict[str, Any]) -> str:
    """What is special about a release."""
    if row["active"]:
        return "active"
    if row["refused"]:
        return "rolled back"
    return "kept" if row["can_return"] else "cannot return"


def show_list(releases: Releases, as_json: bool) -> int:
    """Print them all."""
    rows = releases.rows()
    if as_json:
        print(json.dumps(rows, indent=2))
    else:
        marked = [{**row, "mark": mark(row)} for row in rows]
        print("\n".join(table(marked, {**COLUMNS, "mark": "STATE"})))
    return GOOD


def in_words(found: dict[str, Any], refused: dict[str, Any]) -> list[str]:
    """The state of an application in sentences."""
    source = f" ({found['source']})" if found.get("source") else ""
    since = f" since {found['since']}, by {found['by']}" if found.get("since") else ""
    lines = [f"{found['application']} serves release {found['release'] or 'none'}{source}{since}."]
    if found.get("strategy"):
        lines.append(f"Releases change by {found['strategy']} (releases.strategy); {found['group']} serves.")
    if refused:
        lines.append(f"Rolled back from {', '.join(refused['releases'])} ({refused['by']}, {refused['since']}).")
    return [*lines, found["problem"] or "Its probe and its health path answer as they should."]


def show_status(releases: Releases, as_json: bool) -> int:
    """Print the active one."""
    found = rollback.status(releases)
    if as_json:
        print(json.dumps(found, indent=2))
    else:
        print("\n".join(map(printable, in_words(found, releases.refused))))
    return NOT_GOOD if found["problem"] else GOOD


def hear_no_key() -> None:
    """From now on, half a way would be the worst, also when the terminal is lost or somebody presses Ctrl-C."""
    for number in (signal.SIGINT, signal.SIGHUP, signal.SIGTERM):
        signal.signal(number, lambda *_: None)  # and not SIG_IGN, which httpd would inherit


def go_back(name: str, wish: Wish, as_json: bool) -> int:
    """Go back. Only the rollback commands can be ended by Ctrl-C."""
    way = rollback.go_back(instance(DEFAULT_INSTANCE), name, wish, hear_no_key)
    for sentence in way.warnings:
        print(f"wsgi-release: {printable(sentence)}", file=sys.stderr)
    if as_json:
        print(json.dumps({"release": way.target.release, "before": way.before, "told": way.told}, indent=2))
    else:
        print("\n".join(map(printable, way.told)))
    return GOOD


def arguments(words: list[str] | None) -> argparse.Namespace:
    """What was asked for."""
    parser = argparse.ArgumentParser(
        prog="wsgi-release",
        description=DESCRIPTION,
        epilog=EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--json", action="store_true", help="print JSON")
    parser.add_argument("app", metavar="APP", help="name of the application, as in wsgi_apps")
    parser.add_argument("action", choices=["list", "status", "rollback"], help="what to do")
    parser.add_argument("release", metavar="RELEASE", nargs="?", default="", help="of a rollback: where to go back to")
    parser.add_argument(
        "--without-commands", action="store_true", help="of a rollback: do not run the application's rollback_commands"
    )
    options = parser.parse_args(words)
    if options.release and options.action != "rollback":
        parser.error("only rollback takes a RELEASE")
    if options.without_commands and options.action != "rollback":
        parser.error("only rollback takes --without-commands")
    return options


def main(words: list[str] | None = None) -> int:
    """The command line; the exit status."""
    options = arguments(words)
    sys.stdout.reconfigure(errors="backslashreplace")  # type: ignore[union-attr]  # a terminal without UTF-8
    os.umask(0o022)
    try:
        if os.geteuid() != 0:
            raise RollbackError("Only root may do this; call it with sudo.")
        if options.action == "rollback":
            wish = Wish(caller(), options.release, not options.without_commands)
            return go_back(options.app, wish, options.json)
        show = show_list if options.action == "list" else show_status
        return show(Releases(instance(DEFAULT_INSTANCE), options.app), options.json)
    except (RollbackError, JournalError) as error:
        logged = [f"| {line}" for line in error.lines] if isinstance(error, RollbackError) else []
        for line in (*logged, *str(error).splitlines()):
            print(f"wsgi-release: {printable(line)}", file=sys.stderr)
        return NOT_GOOD
    except KeyboardInterrupt:
        print("wsgi-release: Ended. What has served before serves on.", file=sys.stderr)
        return NOT_GOOD
    except Exception:
        traceback.print_exc()
        print("wsgi-release: This is a fault of wsgi-release; please report it.", file=sys.stderr)
        return FAULT
