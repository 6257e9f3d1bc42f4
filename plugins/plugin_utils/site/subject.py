# SPDX-License-Identifier: Apache-2.0
"""What each subject of a vhost says about its keys, so that apps.py and render.py can put all of them together.

An application is taken with the types and defaults of its specification (``settings.applications``): a key that has a
default is there, and what is not set is not. Runs on the control node only.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from ansible_collections.modwsgi.deploy.plugins.module_utils.httpd.listeners import Listener

App = Mapping[str, Any]
Apps = Sequence[App]
Problems = Iterator[tuple[str, str]]
"""Pairs of a key and what is wrong with it."""
Sentences = Iterator[tuple[str, str, str]]
"""The name of an application, a key, and what is wrong."""
Certificates = Mapping[str, Mapping[str, Any]]
"""What the module httpd_certificates found, by name: `fingerprint` and `stapling`."""


@dataclass(frozen=True)
class Server:
    """What the inventory says beside `wsgi_apps`: where httpd listens, and `wsgi_environment`."""

    listen: Sequence[Listener]
    environment: str = ""


@dataclass(frozen=True)
class Place:
    """What the complete form of an application takes from elsewhere."""

    site: App
    """The application that says what holds for the whole vhost."""
    listen: Sequence[Listener]
    sizes: Mapping[str, Any]
    """The computed processes, threads, listen_backlog and connect_timeout, and the version of the module."""
    paths: Mapping[str, str]
    """The folders on the host, as ``layout`` gives them."""
    instance: Mapping[str, str]
    """What serves it."""


@dataclass(frozen=True)
class Vhost:
    """A site with its applications, the longest path first, each as a part of the vhost (``files.member_of``)."""

    site: App
    members: Sequence[Mapping[str, Any]]
    certificates: Certificates

    @property
    def applications(self) -> list[App]:
        """The applications in their complete form."""
        return [member["application"] for member in self.members]


@dataclass(frozen=True)
class Subject:
    """Some keys of an application that belong together. What a subject has nothing to say about is left out."""

    check: Callable[[App], Problems] = lambda _: iter(())
    """What is wrong with the keys of one application."""
    check_all: Callable[[Apps, Server], Sentences] = lambda *_: iter(())
    """What applications that are each in order contradict each other in, or the server."""
    normalise: Callable[[App, Place], dict[str, Any]] = lambda *_: {}
    """The keys whose complete form is another than the specification's, and those that are derived."""
    modules: Callable[[App], Iterable[str]] = lambda _: ()
    """The modules of httpd that the keys need beyond those that every site has."""
    possible: tuple[str, ...] = ()
    """All that they can need and that changes nothing of a server where no key does: they are loaded from the start."""
    values: Callable[[Vhost], dict[str, Any]] = lambda _: {}
    """What the template of the vhost lays out for these keys."""
    of_site: tuple[str, ...] = ()
    """Keys that hold for a whole vhost, so that only its site may have them."""
