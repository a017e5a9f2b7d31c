"""The manifests of examples/kubernetes: their schema, and the restricted profile."""

import json
from pathlib import Path
from typing import Any

import pytest

from tests.deploying.kubernetes import MANIFESTS, PODS, documents, secret

SCHEMA = json.loads((Path(__file__).parent / "published" / "kubernetes-1.37.json").read_text(encoding="utf-8"))


def refused(document: dict[str, Any]) -> list[str]:
    """Return what the schema of its kind refuses."""
    schema = {"$defs": SCHEMA["$defs"], "$ref": f"#/$defs/{document['kind']}"}
    import jsonschema  # noqa: PLC0415  (with its formats it takes more than a second, in each process)

    return [error.message for error in jsonschema.Draft202012Validator(schema).iter_errors(document)]


@pytest.mark.parametrize("manifest", MANIFESTS, ids=lambda file: file.stem)
def test_each_object_is_as_the_schema_of_kubernetes_says(manifest: Path) -> None:
    for document in documents(manifest):
        assert refused(document) == []


def test_the_schema_refuses_a_field_that_kubernetes_does_not_know() -> None:
    document = documents(MANIFESTS[0])[0]
    document["spec"]["template"]["spec"]["containers"][0]["arg"] = ["upgrade"]
    [message] = refused(document)
    assert "'arg' was unexpected" in message


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
