# SPDX-License-Identifier: Apache-2.0
"""What each release of an application needs to serve again as it did when it was proven. Runs on the managed host.

A record for each release, which a command on the host goes back by, without the control node. It has environment
variables, so root alone reads it. It is written as a step of the change that it belongs to, once the release is proven;
so it comes and goes with that change. When the same release is proven again, with other settings, these count.
"""

from __future__ import annotations

import json
import os
import re
import time
from collections.abc import Iterable, Iterator, Mapping
from contextlib import suppress
from typing import Any

from ansible_collections.modwsgi.deploy.plugins.module_utils.deploy.record import read_record, record_text
from ansible_collections.modwsgi.deploy.plugins.module_utils.deploy.refused import read_refused, refused_file
from ansible_collections.modwsgi.deploy.plugins.module_utils.httpd import journal
from ansible_collections.modwsgi.deploy.plugins.module_utils.httpd.config import SITE
from ansible_collections.modwsgi.deploy.plugins.module_utils.httpd.journal import Edit
from ansible_collections.modwsgi.deploy.plugins.module_utils.layout import EMBEDDED

SUFFIX = ".json"
PROBES = "060-modwsgi-probes.conf"
"""The file with the private vhosts of all names, in which the probes are."""
PRIVATE_VHOST = re.compile(r"^(<VirtualHost [^\n]*>)\n(.*?^</VirtualHost>)$", re.MULTILINE | re.DOTALL)
SERVER_NAME = re.compile(r'^ *ServerName "?([^\s"]+)"?$', re.MULTILINE)
FOLDER_MODE, RECORD_MODE = 0o700, 0o600

Application = Mapping[str, Any]
File = dict[str, Any]


def record_file(paths: Mapping[str, str], release: str) -> str:
    """Where the record of a release is."""
    return os.path.join(paths["records"], release + SUFFIX)


def now() -> str:
    """The time, as records have it."""
    return time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())


def source_version(application: Application, release: str) -> str:
    """What of its source a release is, in words: the version and the commit of git, otherwise the digest."""
    identity = release.partition("-")[0]
    if "git" not in application["source"]:
        return f"digest {identity[:12]}"
    version = str(application["source"]["version"])
    return f"commit {identity[:12]}" if version == identity else f"{version}, commit {identity[:12]}"


def is_own(path: str, application: Application) -> bool:
    """Whether a file of httpd's configuration, or of its programs, is there for this application or its site alone."""
    site = SITE.fullmatch(os.path.basename(path))
    if site:
        return bool(site[1] == application["site"])
    users = f"/modwsgi-users/{application['name']}-"
    return path == f"{EMBEDDED}/{application['name']}.py" or (users in path and path.rpartition(users)[2].isdigit())


def is_alone(application: Application, applications: Iterable[Application]) -> bool:
    """Whether no other application is in its vhost."""
    return all(each["name"] == application["name"] or each["site"] != application["site"] for each in applications)


def is_alone_by_name(application: Application, applications: Iterable[Application]) -> bool:
    """Whether no other application is in the private vhost of its name, which is for all ports."""
    name = application["server_name"].lower()
    return all(each["name"] == application["name"] or each["server_name"].lower() != name for each in applications)


def private_vhost(text: str, name: str) -> re.Match[str] | None:
    """The private vhost of a name in the file PROBES: its first line, and the others; None where there is none."""
    for found in PRIVATE_VHOST.finditer(text):
        called = SERVER_NAME.search(found[2])
        if called and called[1].lower() == name.lower():
            return found
    return None


def with_private_vhost(text: str, name: str, lines: str) -> str:
    """The file PROBES with other lines in the private vhost of a name, which goes on to listen where it does."""
    found = private_vhost(text, name)
    return f"{text[: found.start(2)]}{lines}{text[found.end(2) :]}" if found else text


def of_groups(application: Application) -> dict[str, Any]:
    """The daemon process groups of an application, by its key: they are in its vhost, and in the private one."""
    groups, found = application["probed_groups"], application.get("colours") or []
    colour = re.compile(f":(?:{'|'.join(found)})(?=:|$)")
    return {
        "releases.strategy": bool(found),
        "daemon_groups": list(dict.fromkeys(colour.sub("", group, count=1) for group in groups)) if found else groups,
    }


def of_all(application: Application) -> dict[str, Any]:
    """What of an application is in files that all applications share, by its key: TLS, the embedded mode."""
    tls = application["tls"] or {}
    acme = bool(tls.get("acme"))
    return {
        "mode": application["mode"],
        "server_name": application["server_name"].lower(),
        "names": [*application["server_aliases"], *application["redirect_names"]] if acme else [],
        "tls": {"port": tls.get("port"), "acme": tls["acme"], "stapling": tls["stapling"]} if acme else tls.get("port"),
    }


def own_files(files: Iterable[File], application: Application, server_root: str) -> list[File]:
    """Those files of a complete set that are the application's own; with absolute paths."""
    found = []
    for entry in files:
        path = os.path.normpath(os.path.join(server_root, entry["path"]))
        if is_own(path, application) and not entry.get("log"):
            given = {key: value for key, value in entry.items() if value not in (None, False)}
            found.append({**given, "path": path})
    return sorted(found, key=lambda entry: str(entry["path"]))


class Records:
    """The records of one change that is proven."""

    def __init__(
        self,
        parameters: Mapping[str, Any],
        environments: Mapping[str, Any],
        files: list[File],
        described: Mapping[str, str],
    ) -> None:
        """``parameters`` are those of the module wsgi_go_live, ``files`` the complete set of files of applications."""
        self.parameters = parameters
        self.environments = environments
        self.files = files
        self.described = described
        self.moment = now()

    def record(self, application: Application) -> dict[str, Any]:
        """What a release needs; not since when it serves, and by whom."""
        name, parameters = application["name"], self.parameters
        applications = [*parameters["site"]["applications"], *parameters.get("others", ())]
        alone = is_alone(application, applications)
        return {
            "application": application,
            "release": parameters["releases"][name]["id"],
            "venv": parameters["venvs"][name]["id"],
            "source": source_version(application, parameters["releases"][name]["id"]),
            "variables": self.environments.get(name, {}),
            # Others are in the vhost, which is theirs as well, and stays.
            "files": own_files(self.files, application, self.described["server_root"]) if alone else None,
            "private_vhost": self._private_vhost(application) if is_alone_by_name(application, applications) else None,
            "foreign": parameters["foreign"],
            "python": {key: parameters["site"][f"python_{key}"] for key in ("version", "prefix")},
        }

    def _private_vhost(self, application: Application) -> str | None:
        """Its lines, without the first one, which says where it listens."""
        for entry in self.files:
            if entry["path"].endswith(f"sites-available/{PROBES}") and entry.get("content"):
                found = private_vhost(entry["content"], application["server_name"])
                return found[2] if found else None
        return None

    def edits(self, applications: Iterable[Application], switched: Mapping[str, Any]) -> Iterator[Edit]:
        """What has to be written; ``switched`` are the parts of deployments that the change has switched."""
        for application in applications:
            paths = application["paths"]
            if not os.path.isdir(paths["records"]):
                yield Edit(paths["records"], journal.DIRECTORY, mode=FOLDER_MODE, uid=0, gid=0)
            record = self.record(application)
            is_new = "release" in switched.get(application["name"], ())
            yield from self._record(record, is_new)
            yield from self._left(application) if is_new else ()
            yield from self._refused(application, record["release"])

    def _record(self, record: dict[str, Any], is_new: bool) -> Iterator[Edit]:
        """Who has switched to a release, and when, stays while it serves."""
        file = record_file(record["application"]["paths"], record["release"])
        before = read_record(file)
        made = {key: before.pop(key, "") for key in ("since", "by")}
        if is_new or not made["since"]:
            made = {"since": self.moment, "by": self.parameters["by"]}
        elif before == json.loads(json.dumps(record)):
            return
        yield private(file, {**record, **made})

    def _left(self, application: Application) -> Iterator[Edit]:
        """What an earlier version has not recorded of the release that is left, as long as it is known."""
        history = read_record(application["paths"]["deployment"]).get("history", [])
        file = record_file(application["paths"], history[1]["release"]) if history[1:] else ""
        record = read_record(file) if file else {}
        if not record or "private_vhost" in record:
            return
        kept = journal.Journal(self.described["state_directory"])
        if is_alone_by_name(record["application"], kept.proven().get("applications", [])):
            path = os.path.join(self.described["server_root"], "sites-available", PROBES)
            with suppress(FileNotFoundError), open(kept.before(path), encoding="utf-8") as stream:
                found = private_vhost(stream.read(), record["application"]["server_name"])
                if found:
                    yield private(file, {**record, "private_vhost": found[2]})

    def _refused(self, application: Application, release: str) -> Iterator[Edit]:
        """A way back says what must not come again, and a deployment ends that."""
        file = refused_file(application["paths"])
        refused = self.parameters.get("refused", {}).get(application["name"])
        if refused:
            yield private(file, refused)
        elif read_refused(application["paths"]).get("to", release) != release:
            yield Edit(file, journal.REMOVE)


def private(path: str, content: dict[str, Any]) -> Edit:
    """What writes a file that is for root alone."""
    return Edit(path, journal.WRITE, record_text(content).encode(), "", RECORD_MODE, 0, 0)


def forget(applications: Iterable[Application]) -> list[str]:
    """Remove the records of releases that are no longer on the host; their paths."""
    gone = []
    for application in applications:
        paths = application["paths"]
        with suppress(FileNotFoundError, NotADirectoryError):
            for name in sorted(os.listdir(paths["records"])):
                release = name[: -len(SUFFIX)]
                if name.endswith(SUFFIX) and not os.path.isdir(os.path.join(paths["releases"], release)):
                    gone.append(os.path.join(paths["records"], name))
    for path in gone:
        os.unlink(path)
    return gone
