# SPDX-License-Identifier: Apache-2.0
"""Pushing the images that are built to a registry, under all their names."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

from tools.laboratory.console import Console, LabError
from tools.laboratory.engine import docker
from tools.laboratory.process import last_words, run
from tools.laboratory.wsgi_images import Image

# The grammar of image names, as the distribution project documents it for references.
_DOMAIN = (
    r"(?:[A-Za-z0-9](?:[A-Za-z0-9-]*[A-Za-z0-9])?(?:\.[A-Za-z0-9](?:[A-Za-z0-9-]*[A-Za-z0-9])?)*|\[[0-9A-Fa-f:]+\])"
)
_COMPONENT = r"[a-z0-9]+(?:(?:\.|_|__|-+)[a-z0-9]+)*"
_DESTINATION = re.compile(rf"(?P<host>{_DOMAIN}(?::[0-9]{{1,5}})?)(?P<path>(?:/{_COMPONENT})*)")
_EXAMPLE = "REGISTRY=registry.example.com/team"
#: Seconds for one name; the layers of an image are pushed with its first name.
_PUSH_TIMEOUT = 1800.0
_DIGEST = re.compile(r"digest: (sha256:[0-9a-f]{64})\b")
#: What clients and registries say when a user is not known, or may not write.
_REFUSED = re.compile(r"unauthorized|no basic auth credentials|authentication required|denied|forbidden", re.IGNORECASE)
_NO_TLS = "server gave HTTP response to HTTPS client"
_NOT_TRUSTED = re.compile(r"x509|certificate", re.IGNORECASE)
_NO_ANSWER = re.compile(
    r"connection refused|no such host|timeout|timed out|unreachable|no route to host|deadline exceeded|"
    r"temporary failure in name resolution|server misbehaving|EOF",
    re.IGNORECASE,
)


@dataclass(frozen=True)
class Destination:
    """Where images are pushed."""

    #: With the port, if it is not that of HTTPS.
    host: str
    #: Below the host, with a slash before each part; empty for none.
    path: str

    def name(self, image: str) -> str:
        """The name that an image of this machine has there."""
        return f"{self.host}{self.path}/{image}"


def destination(registry: str) -> Destination:
    """What REGISTRY=host[:port][/path] names.

    Raises:
        LabError: it names nothing that an image could be pushed to.
    """
    if not registry:
        raise LabError(f"No registry is named: give its host and the path below it, as in `make push {_EXAMPLE}`.")
    if "://" in registry:
        raise LabError(f"REGISTRY={registry} is an address: leave out what comes before the host, as in {_EXAMPLE}.")
    found = _DESTINATION.fullmatch(registry.removesuffix("/"))
    if not found:
        raise LabError(
            f"REGISTRY={registry} is no host[:port]/path of a registry, with a path of lower-case letters, digits and "
            f"separators between them: give it as in {_EXAMPLE}."
        )
    host, path = found["host"], found["path"]
    name, _, port = host.rpartition(":") if re.search(r":[0-9]+$", host) else (host, "", "")
    if port and not 0 < int(port) < 65536:
        raise LabError(f"REGISTRY={registry} has the port {port}, and a port is between 1 and 65535: correct it.")
    # An engine takes a first part that does not look like a host for a path of its default registry.
    if not (port or "." in name or name == "localhost" or name.startswith("[")):
        raise LabError(
            f"REGISTRY={registry} does not begin with a host, which has a dot or a port: "
            f"put it first, as in {_EXAMPLE}."
        )
    return Destination(host, path)


def names(image: Image) -> list[str]:
    """All names of an image, those that users build on first and the short ones last."""
    own = [image.builder, image.slim_names[0], image.names[0]]
    return own + image.slim_names[1:] + image.names[1:]


def built(console: Console, wanted: Sequence[Image], *, all_of_them: bool) -> list[Image]:
    """Those images that are built, in all their forms.

    With `all_of_them`, since the user has chosen them, none may be missing; otherwise those of which nothing is there
    are left out.

    Raises:
        LabError: an image is missing, or one of its forms; or nothing is built.
    """
    found = []
    for image in wanted:
        missing = [name for name in names(image) if not _identifier(name)]
        if not missing:
            found.append(image)
        elif all_of_them or len(missing) < len(names(image)):
            raise LabError(
                f"The image {missing[0]} is not built: "
                f"`make images PYTHON={image.python} MOD_WSGI={image.module}` builds it."
            )
        else:
            console.report(f"{image.names[0]}: not built, so it is left out")
    if not found:
        raise LabError("No image of images/versions.json is built: `make images` builds them.")
    return found


def push(console: Console, images: Sequence[Image], where: Destination) -> Iterator[str]:
    """Pushes images under all their names; each name with its digest, as soon as the registry has it.

    Raises:
        LabError: the registry does not take one of them.
    """
    for image in images:
        for name in names(image):
            remote = where.name(name)
            with _tagged(name, remote), console.step(f"Push {remote}"):
                digest = _push(remote, where)
            yield f"{remote}@{digest}"


@contextmanager
def _tagged(name: str, remote: str) -> Iterator[None]:
    """An image has a second name for a while; one that is there already stays."""
    before = _identifier(remote)
    docker(["tag", name, remote])
    try:
        yield
    finally:
        if not before:
            docker(["image", "rm", "--no-prune", remote])
        elif before != _identifier(name):
            docker(["tag", before, remote])


def _identifier(name: str) -> str:
    """What a name stands for on this machine; empty when it is not there."""
    found = run(["docker", "image", "inspect", "--format", "{{.Id}}", name])
    return found.stdout.strip() if found.returncode == 0 else ""


def _push(remote: str, where: Destination) -> str:
    """Pushes one name; the digest that the registry gives it."""
    done = run(["docker", "push", remote], timeout=_PUSH_TIMEOUT)
    if done.returncode != 0:
        raise LabError(failure(remote, where, done.stderr or done.stdout))
    digests: list[str] = _DIGEST.findall(done.stdout)
    if not digests:
        raise LabError(f"{remote} was pushed, but the engine tells no digest: {last_words(done.stdout, 1)}.")
    return digests[-1]


def failure(remote: str, where: Destination, said: str) -> str:
    """The sentence for a push that failed, from what the engine said."""
    words = last_words(said, 1)
    if _NO_TLS in said:
        return (
            f"The registry at {where.host} does not speak TLS, which the engine asks of all that are not on this "
            "machine: give it a certificate, or list it under `insecure-registries` in the engine's daemon.json."
        )
    if _REFUSED.search(said):
        return (
            f"The registry at {where.host} refuses {remote} ({words}): "
            f"`docker login {where.host}` with an account that may write there, and push again."
        )
    if _NOT_TRUSTED.search(said):
        return (
            f"The engine does not trust the certificate of the registry at {where.host} ({words}): "
            f"put its authority's certificate into /etc/docker/certs.d/{where.host}/ca.crt."
        )
    if _NO_ANSWER.search(said):
        return f"No registry answers at {where.host} ({words}): correct REGISTRY, or start it, and push again."
    return f"{remote} was not pushed: {words}."
