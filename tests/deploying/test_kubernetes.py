"""The manifests of examples/kubernetes: their schema, the restricted profile, and each command against a server."""

import json
from pathlib import Path
from typing import Any

import jsonschema
import pytest

from tests.deploying.kubernetes import MANIFESTS, Pod, documents, pods, secret
from tests.deploying.servers import Deployment

SCHEMA = json.loads((Path(__file__).parent / "published" / "kubernetes-1.37.json").read_text(encoding="utf-8"))
PODS = {pod.name: pod for pod in pods()}


@pytest.mark.parametrize("manifest", MANIFESTS, ids=lambda file: file.stem)
def test_each_object_is_as_the_schema_of_kubernetes_says(manifest: Path) -> None:
    for document in documents(manifest):
        kind = SCHEMA["$defs"][document["kind"]]
        jsonschema.validate(document, {"$defs": SCHEMA["$defs"], **kind})


def test_the_schema_refuses_a_field_that_kubernetes_does_not_know() -> None:
    document = documents(MANIFESTS[0])[0]
    document["spec"]["template"]["spec"]["containers"][0]["arg"] = ["upgrade"]
    with pytest.raises(jsonschema.ValidationError, match="'arg' was unexpected"):
        jsonschema.validate(document, {"$defs": SCHEMA["$defs"], **SCHEMA["$defs"][document["kind"]]})


def faults(spec: dict[str, Any]) -> list[str]:
    """Return what keeps a pod from the profile `restricted` of Kubernetes, and from our own rules for secrets."""
    found = []
    pod = spec.get("securityContext", {})
    if not pod.get("runAsNonRoot") or not pod.get("runAsUser"):
        found.append("it may run as root")
    if pod.get("seccompProfile") != {"type": "RuntimeDefault"}:
        found.append("seccomp")
    if spec.get("automountServiceAccountToken") is not False:
        found.append("the token of the service account is mounted")
    for container in [*spec.get("initContainers", []), *spec["containers"]]:
        own = container.get("securityContext", {})
        if own.get("allowPrivilegeEscalation") is not False or own.get("capabilities") != {"drop": ["ALL"]}:
            found.append(f"{container['name']}: privileges")
        if own.get("readOnlyRootFilesystem") is not True:
            found.append(f"{container['name']}: it may write to its image")
        if any("value" in each for each in container.get("env", [])) or "envFrom" in container:
            found.append(f"{container['name']}: its environment may have secrets")
        if not container.get("resources", {}).get("limits", {}).get("memory"):
            found.append(f"{container['name']}: no limit of memory")
    for volume in spec["volumes"]:
        if "secret" in volume and volume["secret"].get("defaultMode") != 0o440:
            found.append(f"{volume['name']}: others may read the secret")
    return found


@pytest.mark.parametrize("name", PODS)
def test_each_pod_is_restricted(name: str) -> None:
    assert faults(PODS[name].spec) == []


def test_a_pod_that_is_not_restricted_is_found() -> None:
    spec = {
        "containers": [{"name": "a", "env": [{"name": "PGPASSWORD", "value": "x"}]}],
        "volumes": [{"name": "s", "secret": {}}],
    }
    assert len(faults(spec)) == 8


def test_only_what_encrypts_has_the_root_key_and_only_what_seals_the_seal_key() -> None:
    having = {
        name: {
            secret(volume["secret"]["secretName"], Path())[0] for volume in pod.spec["volumes"] if "secret" in volume
        }
        for name, pod in PODS.items()
    }
    assert {name for name, keys in having.items() if "root.key" in keys} == {"invoices", "kms-rotations"}
    assert {name for name, keys in having.items() if "seal.key" in keys} == {"kms-seal", "kms-retain"}


def run(pod: Pod, deployment: Deployment, folder: Path) -> str:
    """Run the containers of a pod one after the other, and return what they said."""
    archive = folder / "archive"
    archive.mkdir(exist_ok=True)
    made = [pod.container(each, deployment.secrets, archive) for each in pod.containers]
    return "".join(each.succeeds(folder / f"{pod.name}-{number}") for number, each in enumerate(made))


@pytest.mark.only_on("postgresql")
@pytest.mark.versions("oldest and newest")
def test_the_jobs_work_in_their_order(deployment: Deployment, tmp_path: Path) -> None:
    deployment.keygen()
    waiting = PODS["invoices"].container(PODS["invoices"].containers[0], deployment.secrets, tmp_path)
    assert waiting.run(tmp_path / "early").returncode != 0, "the application would start before the schema is there"
    said = run(PODS["kms-upgrade"], deployment, tmp_path)
    assert "no drift: 1 warning" in said
    run(PODS["invoices-upgrade"], deployment, tmp_path)
    waiting.succeeds(tmp_path / "late")
    deployment.create_keys(tmp_path)
    for name in ("kms-rotations", "kms-seal", "kms-refresh", "kms-retain", "kms-validate"):
        run(PODS[name], deployment, tmp_path)
    run(PODS["kms-upgrade"], deployment, tmp_path)
