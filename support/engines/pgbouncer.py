"""A PgBouncer of a test's own, in front of a throwaway server."""

import contextlib
import os
import pwd
import shutil
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Literal

import sqlalchemy as sa

from support.engines.debian import library_path, unpacked
from support.engines.keeper import free_port
from support.engines.postgresql import UNPRIVILEGED_USER, open_to_others
from support.engines.unavailable import EngineUnavailableError

PoolMode = Literal["session", "transaction", "statement"]

PROGRAM = Path("usr", "sbin", "pgbouncer")
START_SECONDS = 60

PASSWORD = "not-to-be-shown"  # noqa: S105
"""In the URLs, though nobody asks for one: a test sees whether somebody prints it."""


def find_pgbouncer() -> tuple[Path, Path | None]:
    """Return the program, and the folder it was unpacked in if nobody has installed it.

    Raises `EngineUnavailableError` where it cannot be had. Debian puts it where only root's PATH leads.
    """
    installed = shutil.which("pgbouncer", path=os.pathsep.join((os.environ.get("PATH", ""), "/usr/sbin")))
    if installed:
        return Path(installed), None
    folder = unpacked("pgbouncer")
    return folder / PROGRAM, folder


@contextmanager
def pgbouncer(server: str, pool_mode: PoolMode, *, processes: int = 1, **settings: object) -> Iterator[str]:
    """Run PgBouncer in front of the database at the URL `server`, and give its URL in turn.

    Several `processes` share its port, each with a pool of its own. `settings` are PgBouncer's.
    """
    url = sa.make_url(server)
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="kms-pgbouncer-", dir=_open_folder())))
        port = free_port()
        everything = {
            "listen_addr": "127.0.0.1",
            "listen_port": port,
            "unix_socket_dir": "",
            "auth_type": "any",
            "pool_mode": pool_mode,
            "so_reuseport": int(processes > 1),
            **settings,
        }
        configuration = folder / "pgbouncer.ini"
        configuration.write_text(_configuration(url, everything), encoding="utf-8")
        for _ in range(processes):
            process = _start(configuration, folder)
            stack.callback(_stop, process)
            _wait_until_it_listens(process, port, folder / "log")
        yield url.set(host="127.0.0.1", port=port, password=PASSWORD).render_as_string(hide_password=False)


def _open_folder() -> str:
    return tempfile.gettempdir() if os.geteuid() else "/tmp"  # noqa: S108  (root's own may be closed to others)


def _configuration(url: sa.URL, settings: Mapping[str, object]) -> str:
    target = {"host": url.host, "port": url.port, "user": url.username, "password": url.password}
    words = " ".join(f"{name}='{value}'" for name, value in target.items() if value)
    lines = [f"{name} = {value}" for name, value in settings.items()]
    return "\n".join(("[databases]", f"* = {words}", "[pgbouncer]", *lines, ""))


def _start(configuration: Path, folder: Path) -> subprocess.Popen[bytes]:
    """Start it as somebody who is not root, and so that it ends with this process, however that ends."""
    program, package = find_pgbouncer()
    somebody: list[str] = []
    if os.geteuid() == 0:
        if package is not None and not open_to_others(program):
            package = shutil.copytree(package, folder / "package", symlinks=True, dirs_exist_ok=True)
            program = package / PROGRAM
        entry = pwd.getpwnam(UNPRIVILEGED_USER)
        somebody = [f"--reuid={entry.pw_uid}", f"--regid={entry.pw_gid}", "--clear-groups"]
        os.chown(configuration, entry.pw_uid, entry.pw_gid)
        folder.chmod(0o711)
    libraries = {} if package is None else {"LD_LIBRARY_PATH": library_path(package)}
    with (folder / "log").open("ab") as log:
        return subprocess.Popen(
            ["setpriv", "--pdeathsig=KILL", *somebody, str(program), str(configuration)],
            env={**os.environ, **libraries},
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
        )


def _stop(process: subprocess.Popen[bytes]) -> None:
    process.kill()
    process.wait()


def _wait_until_it_listens(process: subprocess.Popen[bytes], port: int, log: Path) -> None:
    deadline = time.monotonic() + START_SECONDS
    while process.poll() is None and time.monotonic() < deadline:
        with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), timeout=1):
            return
        time.sleep(0.01)
    raise EngineUnavailableError(f"pgbouncer did not start: {log.read_text(errors='replace')[-2000:]}")
