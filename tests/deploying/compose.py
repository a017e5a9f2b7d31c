"""The services of examples/compose."""

from pathlib import Path
from typing import Any

from ruamel.yaml import YAML

from tests.deploying.containers import EXAMPLES, Container, stages

FILE = EXAMPLES / "compose" / "compose.yaml"
COMPOSE: dict[str, Any] = YAML(typ="safe", pure=True).load(FILE)
SERVICES: dict[str, dict[str, Any]] = COMPOSE["services"]
OURS = {name: service for name, service in SERVICES.items() if "build" in service}
"""The services that run an image of ours, in an order in which they can run."""


def container(name: str, secrets: Path) -> Container:
    """Return the container of a service of ours, with the secrets that the file gives it."""
    service = SERVICES[name]
    stage = stages()[service["build"]["target"]]
    files = {"/app": EXAMPLES / "invoices"}
    for secret in service["secrets"]:
        source = COMPOSE["secrets"][secret["source"]]["file"]
        files[secret["target"]] = secrets / source.removeprefix("./secrets/")
    command = service.get("entrypoint", stage.entrypoint) + service.get("command", [])
    return Container(command, stage.environment, files, (stage.values("WORKDIR") or ["/"])[-1])
