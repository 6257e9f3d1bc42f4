# SPDX-License-Identifier: Apache-2.0
"""examples/containers fits the image: its stop, its settings, its user, and what engines and Kubernetes understand."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import kubernetes_validate
import pytest
import yaml
from support.scripts import ROOT, load_script

EXAMPLES = ROOT / "examples/containers"
MANIFESTS = sorted((EXAMPLES / "kubernetes").glob("*.yaml"))
KUBERNETES = ("1.30", "1.33", "1.37")
"""From the first version with a `sleep` before the stop, without a gate, to the newest that the validator knows."""
PREPARE_TO_KILL = 5
"""Seconds that an engine has beyond the bound of the image's stop."""
CONNECTIONS = 100 - 3
"""What PostgreSQL serves by default, without those reserved for its administrator."""

settings = load_script("images/mod-wsgi/runtime/settings.py")


def compose(name: str) -> dict[str, Any]:
    """A compose file, its variables still in it."""
    found: dict[str, Any] = yaml.safe_load((EXAMPLES / name).read_text(encoding="utf-8"))
    return found


def seconds(duration: str) -> int:
    """A duration such as 35s."""
    assert re.fullmatch(r"\d+s", duration)
    return int(duration[:-1])


def manifest(kind: str) -> dict[str, Any]:
    """The one manifest of a kind."""
    (found,) = [
        document
        for path in MANIFESTS
        for document in yaml.safe_load_all(path.read_text(encoding="utf-8"))
        if document["kind"] == kind
    ]
    return dict(found)


def pod(kind: str) -> dict[str, Any]:
    """The pod that a Deployment or a Job makes."""
    return dict(manifest(kind)["spec"]["template"]["spec"])


def bound(environment: dict[str, str]) -> int:
    """Seconds that the stop of a server with these variables takes at the most."""
    return int(settings.read({k: v for k, v in environment.items() if k.startswith("WSGI_")})["WSGI_STOP_TIMEOUT"])


def without_variables(environment: dict[str, str]) -> dict[str, str]:
    """Variables with the defaults of what the user's environment may name."""
    return {name: re.sub(r"\$\{\w+(?::[-?]([^}]*))?\}", r"\1", value) for name, value in environment.items()}


def web(name: str) -> dict[str, Any]:
    """The server in a compose file."""
    service: dict[str, Any] = compose(name)["services"]["web"]
    return {**service, "environment": without_variables(service["environment"])}


@pytest.mark.parametrize("version", KUBERNETES)
@pytest.mark.parametrize("path", MANIFESTS, ids=lambda path: path.stem)
def test_kubernetes_accepts_each_manifest(path: Path, version: str) -> None:
    for document in yaml.safe_load_all(path.read_text(encoding="utf-8")):
        kubernetes_validate.validate(document, version, strict=True)


def test_the_validator_refuses_a_misspelt_key() -> None:
    document = manifest("Deployment")
    document["spec"]["template"]["spec"]["terminationGraceSeconds"] = 45
    with pytest.raises(kubernetes_validate.ValidationError, match="terminationGraceSeconds"):
        kubernetes_validate.validate(document, KUBERNETES[-1], strict=True)


def test_kubernetes_kills_after_the_image_s_bound() -> None:
    spec = pod("Deployment")
    (container,) = spec["containers"]
    before = container["lifecycle"]["preStop"]["sleep"]["seconds"]
    assert spec["terminationGracePeriodSeconds"] == before + bound(manifest("ConfigMap")["data"]) + PREPARE_TO_KILL


def test_nothing_in_a_pod_needs_a_program_that_slim_images_lack() -> None:
    (container,) = pod("Deployment")["containers"]
    recipe = (ROOT / "images/mod-wsgi/Containerfile").read_text(encoding="utf-8")
    check = re.search(r"HEALTHCHECK .*?CMD (\[.*\])", recipe)
    assert check
    for probe in ("startupProbe", "livenessProbe"):
        assert container[probe]["exec"]["command"] == yaml.safe_load(check[1])
    assert "exec" not in container["lifecycle"]["preStop"]


def test_the_health_of_the_database_restarts_no_pod() -> None:
    assert "WSGI_HEALTH_PATH" not in manifest("ConfigMap")["data"]
    (container,) = pod("Deployment")["containers"]
    assert container["readinessProbe"]["httpGet"]["path"] == "/healthz"
    (host,) = container["readinessProbe"]["httpGet"]["httpHeaders"]
    assert host["value"] in manifest("ConfigMap")["data"]["DJANGO_ALLOWED_HOSTS"].split(",")


@pytest.mark.parametrize("kind", ["Deployment", "Job"])
def test_pods_have_no_rights(kind: str) -> None:
    spec = pod(kind)
    (container,) = spec["containers"]
    assert spec["securityContext"]["runAsNonRoot"] is True
    assert spec["securityContext"]["seccompProfile"] == {"type": "RuntimeDefault"}
    assert spec["automountServiceAccountToken"] is False
    assert spec["enableServiceLinks"] is False
    assert container["securityContext"] == {
        "allowPrivilegeEscalation": False,
        "readOnlyRootFilesystem": True,
        "capabilities": {"drop": ["ALL"]},
    }
    assert {"name": "tmp", "mountPath": "/tmp"} in container["volumeMounts"]
    assert [volume["emptyDir"]["medium"] for volume in spec["volumes"] if volume["name"] == "tmp"] == ["Memory"]
    assert container["resources"]["limits"]["memory"] == container["resources"]["requests"]["memory"]


def test_what_refers_to_pods_finds_them() -> None:
    labels = manifest("Deployment")["spec"]["template"]["metadata"]["labels"]
    assert manifest("Deployment")["spec"]["selector"]["matchLabels"] == labels
    assert manifest("Service")["spec"]["selector"] == labels
    assert manifest("PodDisruptionBudget")["spec"]["selector"]["matchLabels"] == labels
    assert manifest("Job")["spec"]["template"]["metadata"]["labels"] != labels, "the service would send it requests"
    for constraint in pod("Deployment")["topologySpreadConstraints"]:
        assert constraint["labelSelector"]["matchLabels"] == labels


def test_the_service_sets_no_variable_that_the_image_refuses() -> None:
    assert not manifest("Service")["metadata"]["name"].upper().startswith("WSGI")


@pytest.mark.parametrize("name", ["compose.yaml", "stack.yaml"])
def test_the_engine_kills_after_the_image_s_bound(name: str) -> None:
    server = web(name)
    assert seconds(server["stop_grace_period"]) == bound(server["environment"]) + PREPARE_TO_KILL


@pytest.mark.parametrize("name", ["compose.yaml", "stack.yaml"])
def test_every_service_has_a_read_only_root_and_no_capability(name: str) -> None:
    for service in compose(name)["services"].values():
        assert service["read_only"] is True
        assert service["cap_drop"] == ["ALL"]


def test_compose_grants_no_further_rights() -> None:
    for service in compose("compose.yaml")["services"].values():
        assert service["security_opt"] == ["no-new-privileges:true"]
        assert {"mem_limit", "cpus", "pids_limit"} <= set(service)


def test_the_health_of_the_database_replaces_no_server_of_a_stack() -> None:
    assert "WSGI_HEALTH_PATH" not in web("stack.yaml")["environment"]


def test_a_stack_s_update_starts_before_it_stops_and_returns_when_it_fails() -> None:
    deploy = web("stack.yaml")["deploy"]
    assert deploy["replicas"] > 1
    assert deploy["update_config"]["order"] == deploy["rollback_config"]["order"] == "start-first"
    assert deploy["update_config"]["failure_action"] == "rollback"


def test_no_part_of_a_stack_is_one_that_swarm_ignores() -> None:
    ignored = {"tmpfs", "depends_on", "security_opt", "restart", "mem_limit", "cpus", "pids_limit", "shm_size"}
    for service in compose("stack.yaml")["services"].values():
        assert not ignored & set(service)


@pytest.mark.parametrize("path", [*EXAMPLES.rglob("*.yaml"), *ROOT.glob("examples/*/Containerfile")], ids=str)
def test_every_setting_of_the_image_that_an_example_names_exists(path: Path) -> None:
    text = re.sub(r"(?m)^\s*#.*$", "", path.read_text(encoding="utf-8"))
    assert set(re.findall(r"\bWSGI_[A-Z_]+", text)) <= set(settings.BY_NAME)


def threads(environment: dict[str, str]) -> int:
    """Threads of one server, each of which keeps a connection to the database."""
    values = settings.read({name: value for name, value in environment.items() if name.startswith("WSGI_")})
    return int(values["WSGI_PROCESSES"]) * int(values["WSGI_THREADS"])


def test_the_database_has_a_connection_for_every_thread() -> None:
    deployment = manifest("Deployment")["spec"]
    servers = {
        "compose": (1, web("compose.yaml")["environment"]),
        "stack": (web("stack.yaml")["deploy"]["replicas"] + 1, web("stack.yaml")["environment"]),
        "kubernetes": (
            deployment["replicas"] + deployment["strategy"]["rollingUpdate"]["maxSurge"],
            manifest("ConfigMap")["data"],
        ),
    }
    for where, (number, environment) in servers.items():
        assert number * threads(environment) <= CONNECTIONS, where


@pytest.mark.parametrize("example", ["django", "flask"])
def test_the_containerfile_of_an_example_is_short(example: str) -> None:
    assert len((ROOT / "examples" / example / "Containerfile").read_text(encoding="utf-8").splitlines()) <= 20


def test_code_of_the_example_runs_as_no_root_in_its_build_and_owns_nothing_that_is_served() -> None:
    lines = (ROOT / "examples/django/Containerfile").read_text(encoding="utf-8").splitlines()
    (running,) = [number for number, line in enumerate(lines) if " python " in line]
    before = [line for line in lines[:running] if line.startswith("USER ")]
    assert before == ["USER 65532:0"]
    assert "COPY --from=build --chown=0:0 /app/ /app/" in lines


def test_no_secret_is_committed() -> None:
    for path in EXAMPLES.rglob("*"):
        assert path.suffix == ".yaml" or path.is_dir()
    assert not [path for path in MANIFESTS if "kind: Secret" in path.read_text(encoding="utf-8")]
