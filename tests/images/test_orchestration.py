# SPDX-License-Identifier: Apache-2.0
"""examples/containers, run by Docker Compose, Swarm and Podman; docs/containers.md says what they are to do."""

from __future__ import annotations

import base64
import json
import os
import re
import shutil
import subprocess
import time
import uuid
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest
import yaml
from support.containers import HARDENED, docker
from support.example_images import ROOT, build_example, build_service
from support.site import Site
from support.waiting import wait_for

from tools.laboratory import images, machine
from tools.laboratory.console import Console
from tools.laboratory.state import Lab
from tools.laboratory.suites import DEFAULT_SUITE, SUITES

EXAMPLES = ROOT / "examples/containers"
HOST = "guestbook.example.org"
GRACE = {"web": 35, "database": 60}
"""Seconds that the files allow for a stop."""
SECRET_FILES = {"DJANGO_SECRET_KEY": "secret_key", "DJANGO_DATABASE_PASSWORD": "database_password"}


def install(*packages: str) -> None:
    """Debian packages that a test needs; they stay on the machine, and the lab remembers them. Skips elsewhere."""
    if not (machine.is_root() and machine.is_debian_family()):
        pytest.skip(f"install {' and '.join(packages)} for this test: only root on a Debian machine can do it here")
    machine.install_packages(Lab(ROOT), Console(), packages)


@pytest.fixture(name="application", scope="module")
def fixture_application() -> str:
    return build_example("django")


@pytest.fixture(name="postgresql", scope="module")
def fixture_postgresql() -> str:
    """Stands in for the official image of PostgreSQL, which only a registry has."""
    return build_service("postgresql")


@pytest.fixture(name="secrets", scope="module")
def fixture_secrets(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """As docs/containers.md has them made: files readable for all, in a folder that is not."""
    folder = tmp_path_factory.mktemp("secrets")
    for name in ("secret_key", "database_password"):
        (folder / name).write_text(f"{uuid.uuid4().hex * 2}\n")
        (folder / name).chmod(0o644)
    folder.chmod(0o700)
    return folder


@pytest.fixture(name="variables", scope="module")
def fixture_variables(application: str, postgresql: str, secrets: Path) -> dict[str, str]:
    """What a user sets for the compose file and the stack."""
    return {
        **os.environ,
        "GUESTBOOK_IMAGE": application,
        "GUESTBOOK_HOST": HOST,
        "GUESTBOOK_HTTPS": "off",
        "GUESTBOOK_PORT": "0",
        "GUESTBOOK_SECRETS": str(secrets),
        "POSTGRES_IMAGE": postgresql,
    }


def inspect(container: str) -> dict[str, Any]:
    """All that the engine knows about a container."""
    (found,) = json.loads(docker("inspect", container).stdout)
    return dict(found)


def sign(site: Site, message: str) -> None:
    """Leave an entry in the guestbook."""
    assert site.post_form("/", {"author": "Ada", "message": message}).status_code == 302


class Project:
    """The compose file under a name of its own."""

    def __init__(self, command: Sequence[str], variables: dict[str, str]) -> None:
        self.name = f"modwsgitest{uuid.uuid4().hex[:8]}"
        self._command = [*command, f"--project-name={self.name}", f"--file={EXAMPLES}/compose.yaml"]
        self._variables = variables

    def run(self, *words: str) -> str:
        """What a command of Compose says."""
        done = subprocess.run(
            [*self._command, *words],
            env=self._variables, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=120, check=False,
        )  # fmt: skip
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    def container(self, service: str) -> str:
        """The container of a service."""
        (found,) = self.run("ps", "--quiet", "--all", service).split()
        return found

    def site(self) -> Site:
        """The guestbook, as soon as it answers."""
        port = int(docker("port", self.container("web"), "8080").stdout.splitlines()[0].rpartition(":")[2])
        site = Site("127.0.0.1", HOST, port)
        site.wait_until_it_answers()
        return site


@pytest.fixture(name="project", scope="class")
def fixture_project(variables: dict[str, str]) -> Iterator[Project]:
    """The project, which runs."""
    command = ["docker", "compose"]
    if docker("compose", "version", check=False).returncode != 0:
        command = ["docker-compose"]
        if not shutil.which(command[0]):
            install("docker-compose")
    project = Project(command, variables)
    try:
        project.run("up", "--detach")
        yield project
    finally:
        project.run("down", "--volumes")


class TestCompose:
    """The project ends with these: once a swarm has left, its stop takes 30 s."""

    def test_compose_migrates_before_it_serves_and_has_room_for_all_threads(self, project: Project) -> None:
        """The first of these tests, since a second `up` migrates again, beside the server that is still there."""
        project.site()
        migrated, served = inspect(project.container("migrate")), inspect(project.container("web"))
        assert migrated["State"]["ExitCode"] == 0
        assert migrated["State"]["FinishedAt"] < served["State"]["StartedAt"]
        assert "unable to create" not in docker("logs", served["Id"]).stderr, "pids_limit"
        for container in (served["Id"], project.container("database")):
            wait_for(
                lambda container=container: inspect(container)["State"]["Health"]["Status"] == "healthy",
                f"{container} is healthy",
            )

    def test_compose_serves_from_postgresql_and_loses_nothing_at_a_stop(self, project: Project) -> None:
        site = project.site()
        sign(site, "kept by PostgreSQL")
        assert site.post_form("/uploads/", {}, files={"file": ("note.txt", b"kept in the volume")}).status_code == 302
        web, database = project.container("web"), project.container("database")

        began = time.monotonic()
        project.run("stop")
        print(f"stopped after {time.monotonic() - began:.1f} s")
        for service, container in (("web", web), ("database", database)):
            found = inspect(container)
            assert found["State"]["ExitCode"] == 0, docker("logs", container).stderr
            assert found["Config"]["StopTimeout"] == GRACE[service]

        project.run("up", "--detach")
        site = project.site()
        assert "kept by PostgreSQL" in site.get("/").text
        (address,) = re.findall(r'href="(/uploads/\d+/)"', site.get("/uploads/").text)
        assert site.get(address).content == b"kept in the volume"

    def test_a_server_refuses_to_start_without_its_migrations(
        self, project: Project, application: str, secrets: Path
    ) -> None:
        """In the database `postgres` there are none."""
        names = {"DJANGO_DATABASE_HOST": "database", "DJANGO_DATABASE_NAME": "postgres"}
        files = {f"{name}_FILE": f"/secrets/{file}" for name, file in SECRET_FILES.items()}
        options = [f"--env={name}={value}" for name, value in {**names, **files}.items()]
        options += [f"--volume={secrets}/{file}:/secrets/{file}:ro" for file in SECRET_FILES.values()]
        done = docker("run", "--rm", f"--network={project.name}_inside", *HARDENED, *options, application, check=False)
        assert done.returncode == 64
        assert "The database on database cannot be asked, or lacks migrations of this image" in done.stderr


class Swarm:
    """A swarm of this one machine, which ends with the test."""

    def __init__(self) -> None:
        self.stack = f"modwsgitest{uuid.uuid4().hex[:8]}"
        self._had_bridge = "docker_gwbridge" in docker("network", "ls", "--format={{.Name}}").stdout.split()

    def begin(self, secrets: Path) -> None:
        """Prepare what docs/containers.md has prepared."""
        (node,) = docker("node", "ls", "--quiet").stdout.split()
        docker("node", "update", "--label-add=guestbook.database=true", node)
        for name in SECRET_FILES.values():
            docker("secret", "create", f"guestbook_{name}", str(secrets / name))

    def containers(self, service: str = "") -> list[str]:
        """Containers of the stack that run, or of one of its services."""
        label = f"com.docker.stack.namespace={self.stack}"
        if service:
            label = f"com.docker.swarm.service.name={self.stack}_{service}"
        return docker("ps", "--quiet", "--no-trunc", f"--filter=label={label}").stdout.split()

    def sites(self) -> list[Site]:
        """Each server by itself: not every kernel has what Swarm's load balancer needs."""
        (network,) = json.loads(docker("network", "inspect", "docker_gwbridge", check=False).stdout) or [{}]
        entries = network.get("Containers", {}).items()
        addresses = {name: entry["IPv4Address"].partition("/")[0] for name, entry in entries}
        return [Site(addresses[name], HOST, 8080) for name in self.containers("web") if name in addresses]

    def end(self) -> None:
        """Remove the stack, what Swarm leaves of it, and the swarm."""
        try:
            docker("stack", "rm", self.stack)
            wait_for(lambda: not self.containers(), "the stack has stopped", 60)
            label = f"--filter=label=com.docker.stack.namespace={self.stack}"
            for words, remove in ((("ps", "--all"), ("rm", "--force")), (("volume", "ls"), ("volume", "rm"))):
                left = docker(*words, "--quiet", label).stdout.split()
                if left:
                    docker(*remove, *left)
        finally:
            docker("swarm", "leave", "--force")
            if (
                not self._had_bridge
                and "docker_gwbridge" in docker("network", "ls", "--format={{.Name}}").stdout.split()
            ):
                docker("network", "rm", "docker_gwbridge")


@pytest.fixture(name="swarm")
def fixture_swarm(secrets: Path) -> Iterator[Swarm]:
    state = docker("info", "--format={{.Swarm.LocalNodeState}}").stdout.strip()
    if state != "inactive":
        pytest.skip(f"the engine's swarm is {state}: the test makes one of its own, and touches no other")
    swarm = Swarm()
    made = docker("swarm", "init", "--advertise-addr=127.0.0.1", "--listen-addr=127.0.0.1", check=False)
    if made.returncode != 0:
        pytest.skip(f"this engine makes no swarm: {made.stderr.strip()}")
    try:
        swarm.begin(secrets)
        yield swarm
    finally:
        swarm.end()


def test_a_stack_serves_from_two_servers(swarm: Swarm, variables: dict[str, str]) -> None:
    deployed = subprocess.run(
        ["docker", "stack", "deploy", "--resolve-image=never", f"--compose-file={EXAMPLES}/stack.yaml", swarm.stack],
        env=variables, stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert deployed.returncode == 0, deployed.stderr
    assert "Ignoring" not in deployed.stderr
    wait_for(lambda: sum(site.health() == 200 for site in swarm.sites()) == 2, "both servers answer", 90)
    first, second = swarm.sites()
    sign(first, "through the first")
    assert "through the first" in second.get("/").text
    form = "--format={{json .Spec.TaskTemplate.ContainerSpec.StopGracePeriod}}"
    assert json.loads(docker("service", "inspect", form, f"{swarm.stack}_web").stdout) == GRACE["web"] * 10**9
    for container in swarm.containers("web"):
        found = inspect(container)
        assert found["HostConfig"]["ReadonlyRootfs"] is True
        assert found["HostConfig"]["CapDrop"] == ["ALL"]
        assert not any(name in variable for variable in found["Config"]["Env"] for name in ("SECRET_KEY=", "PASSWORD="))
        logged = docker("logs", container)
        assert "unable to create" not in logged.stdout + logged.stderr, "limits.pids"


class Podman:
    """Podman with a storage of its own; what this machine does not allow is left out."""

    def __init__(self, folder: Path, driver: str, runtime: str) -> None:
        # By default Podman asks for more than every machine allows; enough for the threads of one user here.
        limits = ["nofile=4096:4096", "nproc=4096:4096"]
        configuration = folder / "containers.conf"
        configuration.write_text(
            f"[containers]\ndefault_ulimits = {json.dumps(limits)}\n"
            f'[network]\nnetwork_config_dir = "{folder}/networks"\n'
            f'[engine]\nruntime = "{runtime}"\ncgroup_manager = "cgroupfs"\nevents_logger = "file"\n'
        )
        self._environment = {**os.environ, "CONTAINERS_CONF": str(configuration)}
        self._command = ["podman", f"--root={folder}/{driver}", f"--runroot={folder}/run", f"--storage-driver={driver}"]

    def run(self, *words: str, check: bool = True, text: str | None = None) -> subprocess.CompletedProcess[str]:
        """What a command says; its failure fails the test."""
        done = subprocess.run(
            [*self._command, *words],
            env=self._environment, input=text or "", capture_output=True, text=True, timeout=120, check=False,
        )  # fmt: skip
        assert not check or done.returncode == 0, f"{words}: {done.stdout}{done.stderr}"
        return done

    def site(self, name: str, host: str) -> Site:
        """The guestbook in a container, or in a pod by its first container."""
        form = "--format={{range .NetworkSettings.Networks}}{{.IPAddress}} {{end}}"
        addresses = self.run("container", "inspect", form, name).stdout.split()
        site = Site(addresses[0], host, 8080)
        site.wait_until_it_answers()
        return site


@pytest.fixture(name="podman", scope="module")
def fixture_podman(application: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Podman]:
    """The first way in which Podman runs a trivial container here."""
    if not shutil.which("podman") or not shutil.which("runc") or not shutil.which("catatonit"):
        install("podman", "runc", "catatonit")
    folder = tmp_path_factory.mktemp("podman")
    try:
        podman = working_podman(application, folder)
        yield podman
        podman.run("pod", "rm", "--all", "--force", "--time=0")
        podman.run("rm", "--all", "--force", "--volumes", "--time=0")
    finally:
        # Podman mounts the folder of its layers on itself, and pytest could not remove it.
        if (folder / "overlay/overlay").is_mount():
            subprocess.run(["umount", str(folder / "overlay/overlay")], check=True)


def working_podman(application: str, folder: Path) -> Podman:
    """The first way in which Podman runs a trivial container here, with the application's image loaded.

    Skips when there is none, and says why. The trivial container is Debian's: an image of ours that does not run has
    to fail a test.
    """
    debian = images.ensure_base(Lab(ROOT), Console(), SUITES[DEFAULT_SUITE], packages=())
    saved = str(folder / "images.tar")
    docker("save", f"--output={saved}", debian, application)
    reasons = []
    for driver, runtime in (("overlay", "runc"), ("overlay", "crun"), ("vfs", "runc"), ("vfs", "crun")):
        podman = Podman(folder, driver, runtime)
        trivial = podman.run("load", f"--input={saved}", check=False)
        if trivial.returncode == 0:
            trivial = podman.run("run", "--rm", debian, "true", check=False)
        if trivial.returncode == 0:
            return podman
        reasons.append(f"{driver}, {runtime}: {trivial.stderr.strip().splitlines()[-1:]}")
    pytest.skip(f"Podman cannot run a trivial container on this machine ({'; '.join(reasons)})")


def test_podman_runs_the_image_without_rights(podman: Podman, application: str) -> None:
    variables = {"DJANGO_SECRET_KEY": "k" * 50, "DJANGO_ALLOWED_HOSTS": HOST, "DJANGO_HTTPS": "off"}
    options = [*HARDENED, "--name=guestbook", *(f"--env={name}={value}" for name, value in variables.items())]
    podman.run("run", "--detach", *options, application)
    sign(podman.site("guestbook", HOST), "under Podman")
    began = time.monotonic()
    podman.run("stop", "-t35", "guestbook")
    seconds = time.monotonic() - began
    assert podman.run("inspect", "--format={{.State.ExitCode}}", "guestbook").stdout == "0\n"
    assert seconds < 10
    assert "caught SIGWINCH, shutting down gracefully" in podman.run("logs", "guestbook").stderr


def manifests(application: str) -> str:
    """The manifests with this image, and SQLite in the volume instead of a server; one pod, for Podman starts each
    replica on the same port."""
    documents = []
    for name in ("configuration", "storage", "deployment", "service", "disruption-budget"):
        text = (EXAMPLES / f"kubernetes/{name}.yaml").read_text(encoding="utf-8")
        documents += list(yaml.safe_load_all(text))
    kinds = {document["kind"]: document for document in documents}
    kinds["ConfigMap"]["data"] |= {"DJANGO_DATABASE_HOST": "", "DJANGO_HTTPS": "off"}
    kinds["Deployment"]["spec"]["replicas"] = 1
    (container,) = kinds["Deployment"]["spec"]["template"]["spec"]["containers"]
    container |= {"image": f"localhost/{application}:latest", "imagePullPolicy": "Never"}
    del container["ports"]  # would be published on all addresses of this machine
    return yaml.safe_dump_all(documents)


def test_podman_plays_the_kubernetes_manifests(podman: Podman, application: str, tmp_path: Path) -> None:
    values = {key: base64.b64encode(b"k" * 50).decode() for key in ("secret-key", "database-password")}
    podman.run("secret", "create", "guestbook", "-", text=json.dumps(values))
    (tmp_path / "guestbook.yaml").write_text(manifests(application))
    podman.run("kube", "play", str(tmp_path / "guestbook.yaml"))
    (pod,) = podman.run("pod", "ps", "--format={{.Name}}").stdout.split()
    infrastructure = podman.run("pod", "inspect", "--format={{.InfraContainerID}}", pod).stdout.strip()
    site = podman.site(infrastructure, HOST)
    sign(site, "in a pod")
    assert "in a pod" in site.get("/").text
    found = json.loads(podman.run("container", "inspect", f"{pod}-web").stdout)[0]
    assert found["HostConfig"]["ReadonlyRootfs"] is True
    assert found["Config"]["User"] == "65532:0"
    assert not found["EffectiveCaps"]
    began = time.monotonic()
    podman.run("pod", "stop", "-t45", pod)
    seconds = time.monotonic() - began
    assert podman.run("container", "inspect", "--format={{.State.ExitCode}}", f"{pod}-web").stdout == "0\n"
    assert seconds < 10
