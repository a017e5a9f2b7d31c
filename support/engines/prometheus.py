"""Prometheus, Alertmanager and their tools: from the machine, or from Debian's packages."""

import os
import shutil
import signal
import subprocess
from pathlib import Path

from support.engines.debian import unpacked
from support.engines.programs import cache_folder, locked

PACKAGES = {
    "prometheus": "prometheus",
    "promtool": "prometheus",
    "prometheus-alertmanager": "prometheus-alertmanager",
    "amtool": "prometheus-alertmanager",
}
"""The programs, and Debian's packages that have them; since Debian 13 promtool is a package of its own."""


def find_program(name: str) -> Path:
    """Return one of the programs. Raises `EngineUnavailableError` where it cannot be had."""
    installed = shutil.which(name) or (name == "prometheus-alertmanager" and shutil.which("alertmanager"))
    if installed:
        return Path(installed)
    program = unpacked(PACKAGES[name]) / "usr" / "bin" / name
    return program if program.exists() else unpacked(name) / "usr" / "bin" / name


_TEMPLATES = b"/usr/share/prometheus/alertmanager"
"""Where Debian's Alertmanager reads its templates: only where the package is installed."""
_RELOCATED = b"./" * 12 + b"templates_"


def find_alertmanager(folder: Path) -> Path:
    """Return Alertmanager, to be run in a folder. Raises `EngineUnavailableError` where it cannot be had.

    Where the package is unpacked and not installed, this is a copy that reads its templates from a link in the folder.
    """
    program = find_program("prometheus-alertmanager")
    package = program.parents[2]
    if package.parent.parent != cache_folder():
        return program
    copy = program.with_name("alertmanager-of-any-folder")
    with locked(cache_folder()):
        if not copy.exists():
            scratch = copy.with_suffix(".new")
            scratch.write_bytes(program.read_bytes().replace(_TEMPLATES, _RELOCATED))
            scratch.chmod(0o755)
            scratch.rename(copy)
    (folder / "templates_").symlink_to(package / _TEMPLATES.decode().lstrip("/"))
    return copy


def tool(name: str, *arguments: str | Path) -> subprocess.CompletedProcess[str]:
    """Run `promtool` or `amtool` to its end, in any case."""
    return subprocess.run(
        [find_program(name), *arguments], capture_output=True, text=True, check=False, stdin=subprocess.DEVNULL
    )


class Server:
    """A process that ends with the tests, even if they are killed; `stop` and `start` restart it."""

    def __init__(self, log: Path, *command: str | Path, **variables: str) -> None:
        """Take the command, variables of its environment, and the file that it writes to."""
        self._command = ["setpriv", "--pdeathsig=KILL", *map(str, command)]
        self._environment = {**os.environ, **variables}
        self.log = log
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """Start it, without waiting."""
        with self.log.open("ab") as log:
            self._process = subprocess.Popen(
                self._command, cwd=self.log.parent, env=self._environment,
                stdin=subprocess.DEVNULL, stdout=log, stderr=log,
            )  # fmt: skip

    def start_until(self, words: str) -> str:
        """Start it, end it once it has written a line with these words, and return what it wrote."""
        with subprocess.Popen(
            self._command, cwd=self.log.parent, env=self._environment, text=True,
            stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
        ) as process:  # fmt: skip
            assert process.stdout is not None
            written = ""
            for line in process.stdout:
                written += line
                if words in line:
                    process.terminate()
        return written

    def stop(self, *, kill: bool = False) -> None:
        """End it, by SIGTERM or by SIGKILL, and wait for its end."""
        if self._process is not None:
            (self._process.kill if kill else self._process.terminate)()
            self._process.wait()
            self._process = None

    def reload(self) -> None:
        """Have it read its files again, by SIGHUP."""
        assert self._process is not None
        self._process.send_signal(signal.SIGHUP)

    @property
    def has_ended(self) -> bool:
        """Whether it has ended by itself."""
        return self._process is not None and self._process.poll() is not None
