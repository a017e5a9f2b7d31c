"""Prometheus, Alertmanager and their tools: from the machine, or from Debian's packages."""

import os
import shutil
import subprocess
from pathlib import Path

from tests.support.engines.debian import unpacked

PACKAGES = {
    "prometheus": "prometheus",
    "promtool": "promtool",
    "prometheus-alertmanager": "prometheus-alertmanager",
    "amtool": "prometheus-alertmanager",
}
"""The programs, and Debian's packages that have them."""


def find_program(name: str) -> Path:
    """Return one of the programs. Raises `EngineUnavailableError` where it cannot be had."""
    installed = shutil.which(name) or (name == "prometheus-alertmanager" and shutil.which("alertmanager"))
    return Path(installed) if installed else unpacked(PACKAGES[name]) / "usr" / "bin" / name


def tool(name: str, *arguments: str | Path) -> subprocess.CompletedProcess[str]:
    """Run `promtool` or `amtool` to its end, in any case."""
    return subprocess.run(
        [find_program(name), *arguments], capture_output=True, text=True, check=False, stdin=subprocess.DEVNULL
    )


class Server:
    """A server that ends with the tests, even if they are killed; `stop` and `start` restart it."""

    def __init__(self, name: str, folder: Path, *arguments: str) -> None:
        """Take the arguments of the program; its log is in `folder`."""
        self._command = ["setpriv", "--pdeathsig=KILL", str(find_program(name)), *arguments]
        self._folder = folder
        self.log = folder / f"{name}.log"
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """Start it, without waiting."""
        with self.log.open("ab") as log:
            self._process = subprocess.Popen(
                self._command, cwd=self._folder, env=os.environ, stdin=subprocess.DEVNULL, stdout=log, stderr=log
            )

    def stop(self, *, kill: bool = False) -> None:
        """End it, by SIGTERM or by SIGKILL, and wait for its end."""
        if self._process is not None:
            (self._process.kill if kill else self._process.terminate)()
            self._process.wait()
            self._process = None

    @property
    def has_ended(self) -> bool:
        """Whether it has ended by itself."""
        return self._process is not None and self._process.poll() is not None
