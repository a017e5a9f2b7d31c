"""The units of examples/systemd, read as systemd reads them, and their commands."""

import os
import re
import shutil
import socket
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from support.engines.debian import library_path, unpacked
from support.engines.programs import REPOSITORY
from tests.deploying.containers import EXAMPLES, Container

UNITS = EXAMPLES / "systemd"
PAGE = (REPOSITORY / "docs" / "deploying.md").read_text(encoding="utf-8")
INSTALLED = {there: here for here, there in re.findall(r"install -m 0600 secrets/(\S+) /etc/kms/(\S+)", PAGE)}
"""Files of make-secrets, by their names in /etc/kms, as the page has them installed."""

ASSIGNMENT = re.compile(r"(\w+)=(.*)")


@dataclass(frozen=True)
class Service:
    """A service with its part of `kms-.service.d`."""

    name: str

    @cached_property
    def settings(self) -> list[tuple[str, str]]:
        """All assignments, those of the drop-in last."""
        files = (UNITS / self.name, UNITS / "kms-.service.d" / "common.conf")
        lines = [line for file in files for line in file.read_text(encoding="utf-8").splitlines()]
        return [match.groups() for line in lines if (match := ASSIGNMENT.fullmatch(line))]  # type: ignore[misc]

    def values(self, name: str) -> list[str]:
        """Return the values of a setting."""
        return [value for each, value in self.settings if each == name]

    def containers(self, secrets: Path, state: Path) -> list[Container]:
        """Return its commands, each with the environment and the credentials of the service."""
        folder = "/run/credentials"
        names = {"%d": folder, "%p": self.name.partition(".")[0], "%H": socket.gethostname(), "%S": "/var/lib"}

        def resolved(text: str) -> str:
            return re.sub(r"%\w", lambda match: names[match[0]], text)

        environment = dict(word.split("=", 1) for value in self.values("Environment") for word in value.split())
        files = {"/opt/kms/bin/": Path("/")}
        for credential in self.values("LoadCredential"):
            name, path = resolved(credential).split(":")
            files[f"{folder}/{name}"] = secrets / INSTALLED[path.removeprefix("/etc/kms/")]
        for name in self.values("StateDirectory"):
            (state / name).mkdir(exist_ok=True)
            files[f"/var/lib/{name}"] = state / name
        environment = {name: resolved(value) for name, value in environment.items()}
        commands = [resolved(command).removeprefix("/opt/kms/bin/").split() for command in self.values("ExecStart")]
        return [Container(command, environment, files) for command in commands]


SERVICES = {file.name: Service(file.name) for file in sorted(UNITS.glob("*.service"))}


def analyze(*arguments: str, units: Path) -> subprocess.CompletedProcess[str]:
    """Run systemd-analyze, that of the machine or that of Debian's package, on a folder of units."""
    program, libraries = shutil.which("systemd-analyze"), os.environ.get("LD_LIBRARY_PATH", "")
    if program is None:
        folder = unpacked("systemd")
        program = str(folder / "usr/bin/systemd-analyze")
        libraries = ":".join(
            [library_path(folder), *map(str, folder.glob("usr/lib/*-linux-*/systemd")), str(folder / "usr/lib/systemd")]
        )
    environment = {"SYSTEMD_UNIT_PATH": f"{units}:", "LD_LIBRARY_PATH": libraries, "PATH": os.environ["PATH"]}
    return subprocess.run(
        [program, *arguments], capture_output=True, text=True, check=False, env=environment, stdin=subprocess.DEVNULL
    )


def copied(folder: Path, replaced: Mapping[str, str] | None = None) -> Path:
    """Copy the units to where systemd-analyze finds their programs and their user, with more texts replaced."""
    shutil.copytree(UNITS, folder)
    given = {
        "/opt/kms/bin/kms-schema": "/bin/true",
        "/opt/kms/bin/uvicorn": "/bin/true",
        "/opt/invoices": "/bin",
        "User=kms": "User=root",
    }
    for file in folder.rglob("*.*"):
        if file.is_file():
            text = file.read_text(encoding="utf-8")
            for old, new in {**given, **(replaced or {})}.items():
                text = text.replace(old, new)
            file.write_text(text, encoding="utf-8")
    return folder
