"""The manifests of Kubernetes, and the containers of their pods."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ruamel.yaml import YAML

from tests.deploying.containers import EXAMPLES, Container, stages

MANIFESTS = sorted((EXAMPLES / "kubernetes").glob("*.yaml"))


def documents(file: Path) -> list[dict[str, Any]]:
    """Return the objects of a manifest, read as YAML 1.1, as Kubernetes reads it: 0440 is octal."""
    found = []
    for text in file.read_text(encoding="utf-8").split("\n---\n"):
        yaml = YAML(typ="safe", pure=True)
        yaml.version = (1, 1)  # holds for one document
        found.append(yaml.load(text))
    return found


@dataclass(frozen=True)
class Pod:
    """The pod that an object describes."""

    name: str
    spec: dict[str, Any]

    @property
    def containers(self) -> list[dict[str, Any]]:
        """All containers, in the order in which they start."""
        return [*self.spec.get("initContainers", []), *self.spec["containers"]]

    def container(self, given: dict[str, Any], secrets: Path, archive: Path) -> Container:
        """Return a container of the pod, with the secrets that its volumes name."""
        stage = stages()[given["image"].rpartition("/")[2].partition(":")[0]]
        volumes = {volume["name"]: volume for volume in self.spec["volumes"]}
        files: dict[str, Path] = {"/app": EXAMPLES / "invoices"}
        for mount in given["volumeMounts"]:
            volume = volumes[mount["name"]]
            if "secret" in volume:
                name, file = secret(volume["secret"]["secretName"], secrets)
                files[f"{mount['mountPath']}/{name}"] = file
            else:
                files[mount["mountPath"]] = archive
        command = given.get("command", stage.entrypoint) + given.get("args", [])
        command = [word.replace("$(POD_NAME)", f"{self.name}-29101") for word in command]
        return Container(command, stage.environment, files, (stage.values("WORKDIR") or ["/"])[-1])


def secret(name: str, secrets: Path) -> tuple[str, Path]:
    """Return the key of a Secret, and the file that the page makes it from."""
    if name.startswith("kms-login-"):
        login = name.removeprefix("kms-login-").replace("-", "_")
        return "pg_service.conf", secrets / "logins" / f"{login}.conf"
    key = {"kms-root": "root.key", "kms-seal": "seal.key"}[name]
    return key, secrets / key


def pods() -> Iterator[Pod]:
    """Yield the pod of each object."""
    for file in MANIFESTS:
        for document in documents(file):
            spec = document["spec"]
            spec = spec["jobTemplate"]["spec"] if document["kind"] == "CronJob" else spec
            yield Pod(document["metadata"]["name"], spec["template"]["spec"])


PODS = {pod.name: pod for pod in pods()}
"""The pods, by the names of their objects."""
