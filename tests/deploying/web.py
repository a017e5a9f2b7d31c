"""The web application in a process of its own, as its server runs it."""

import http.client
import json
import re
import signal
import subprocess
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from support.engines.programs import REPOSITORY
from tests.deploying.installed import APPLICATION, Installed
from tests.deploying.kubernetes import PODS


@dataclass(frozen=True)
class Answer:
    """An answer of the application."""

    status: int
    body: dict[str, Any]


@dataclass(frozen=True)
class Web:
    """A running application."""

    port: int
    process: subprocess.Popen[str]

    def ask(self, method: str, path: str, body: str | None = None) -> Answer:
        """Send a request, on a connection of its own."""
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=30)
        try:
            connection.request(method, path, body)
            response = connection.getresponse()
            return Answer(response.status, json.loads(response.read()))
        finally:
            connection.close()

    def add(self, iban: str) -> str:
        """Store an invoice, and return its id."""
        answer = self.ask("POST", "/invoices", json.dumps({"iban": iban}))
        assert answer.status == 201, answer
        return str(answer.body["id"])

    def iban(self, invoice: str) -> str:
        """Return the IBAN of an invoice."""
        answer = self.ask("GET", f"/invoices/{invoice}")
        assert answer.status == 200, answer
        return str(answer.body["iban"])


@contextmanager
def serving(installed: Installed, log: Path, more: Mapping[str, str] | None = None) -> Iterator[Web]:
    """Serve the application until the end of the block, and then ask it to end, as systemd and Kubernetes do.

    On PostgreSQL it is the container of the Deployment, but for its port. `more` is added to its environment.
    """
    if installed.database.dialect == "postgresql":
        container = installed.container("invoices", PODS["invoices"].containers[-1])
        command, environment, folder = container.placed(installed.folder / "web")
        assert command[-1] == "8000"
        command[-1] = "0"
    else:
        command, environment = ["uvicorn", "invoices.app:app", "--port", "0"], installed.environment
        folder = APPLICATION
    with (
        log.open("w+", encoding="utf-8") as output,
        subprocess.Popen(
            command,
            cwd=folder,
            env={**environment, "PYTHONPATH": str(REPOSITORY), **(more or {})},
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.PIPE,
            text=True,
        ) as process,
    ):
        assert process.stderr is not None
        said = ""
        for line in process.stderr:
            said += line
            if match := re.search(r"running on http://[\d.]+:(\d+)", line):
                break
        else:
            raise AssertionError(said)
        errors = threading.Thread(target=lambda: output.writelines(process.stderr or ()), daemon=True)
        errors.start()
        try:
            yield Web(int(match[1]), process)
        finally:
            process.send_signal(signal.SIGTERM)
            assert process.wait(timeout=30) in {0, -signal.SIGTERM}
            errors.join()
