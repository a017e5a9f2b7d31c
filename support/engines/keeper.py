"""Run one throwaway PostgreSQL server for as long as standard input stays open.

    python keeper.py [--set NAME=VALUE]... [--on-disk]
        [--standby-of URL [--base-backup PROGRAM] | --upgrade-of OLD DATA] PROGRAMS BASE [USER ROOT...]

PROGRAMS is the folder of `initdb` and `postgres`, BASE where the server's folder is made. The server runs as
USER where one is given; if USER cannot read PROGRAMS, the ROOTs (PROGRAMS is in the first) are copied for it.
With `--standby-of` it is a hot standby, made by a base backup as the role in the URL, that follows its primary;
PROGRAM is the `pg_basebackup` that makes it, of a later version perhaps. With `--upgrade-of` it is what pg_upgrade
makes of DATA, a cluster that has been shut down; OLD is the folder of that one's programs.

Prints `ready PORT`, or `failed` and the reason, then waits. Whoever started it holds the other end of the
pipe: when that process ends, in whatever way (a kill -9 included), the pipe closes, and server and files are
gone a moment later. That is why this is a process of its own and not an `atexit` hook.
"""

import argparse
import os
import pwd
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from contextlib import ExitStack
from pathlib import Path
from typing import Any

SOCKET_PATH_LIMIT = 107  # bytes of sun_path on Linux, without the final NUL
LONGEST_SOCKET_NAME = "/.s.PGSQL.65535"
ATTEMPTS = 5  # a port that was free may be taken before the server binds it
START_SECONDS = 60

MEMORY = Path("/dev/shm")  # noqa: S108  (nothing in it is predictable: mkdtemp makes the folder)
MEMORY_NEEDED = 4 * 2**30
"""A database is copied in 7 ms in memory, on a slow disk in 300; but containers may have only 64 MB of it."""


class Server:
    """A PostgreSQL server in folders of its own."""

    def __init__(self, programs: Path, base: Path, given: argparse.Namespace) -> None:
        """Take PostgreSQL's programs from `programs`, and make the server's folders, one in `base`."""
        self.programs = programs
        self.settings: list[str] = given.settings
        self.primary: str | None = given.standby_of
        self.base_backup: Path | None = given.base_backup
        self.upgraded: list[str] | None = given.upgrade_of
        self.folder = Path(tempfile.mkdtemp(prefix="kms-pg-", dir=base))
        self.data = Path(tempfile.mkdtemp(prefix="kms-pg-data-", dir=base if given.on_disk else data_base(base)))
        self.log = self.folder / "log"
        self.process: subprocess.Popen[bytes] | None = None
        self.identity: dict[str, Any] = {}

    def run_as(self, user: str, roots: list[Path]) -> None:
        """Run the server as another user, on copies of `roots` if it cannot read the programs."""
        entry = pwd.getpwnam(user)
        self.identity = {"user": entry.pw_uid, "group": entry.pw_gid, "extra_groups": []}
        for root in roots:
            shutil.copytree(root, self.folder / root.name, symlinks=True)
        if roots:
            self.programs = self.folder / roots[0].name / self.programs.relative_to(roots[0])
        self.hand_over(self.data, self.folder, *self.folder.rglob("*"))

    def hand_over(self, *paths: Path) -> None:
        """Give files to the server's user."""
        if self.identity:
            for path in paths:
                os.chown(path, self.identity["user"], self.identity["group"], follow_symlinks=False)

    def launch(self, program: str | Path, *arguments: str, as_user: bool = True) -> subprocess.Popen[bytes]:
        """Start one of PostgreSQL's programs, or another by its path, as the server's user or as the tests'."""
        environment = {name: value for name, value in os.environ.items() if not name.startswith(("PG", "LC_", "LANG"))}
        return subprocess.Popen(
            [str(self.programs / program), "-D", str(self.data), *arguments],
            cwd=self.folder,
            env={**environment, "LC_ALL": "C.UTF-8", "TZ": "UTC"},
            stdin=subprocess.DEVNULL,
            stdout=self.log.open("ab"),
            stderr=subprocess.STDOUT,
            **(self.identity if as_user else {}),
        )

    def start(self) -> int:
        """Make the cluster, start it, return its port; raise `RuntimeError` with the log if it will not."""
        if self.copy_of_primary(self.primary) if self.primary else self.new_cluster():
            for _ in range(ATTEMPTS):
                port = free_port()
                # Not by pg_ctl, which would leave the server to init: a parent's own child cannot be lost.
                self.process = self.launch("postgres", *self.options(port))
                if self.accepts_connections():
                    return port
        raise RuntimeError(self.log.read_text(errors="replace")[-2000:])

    def copy_of_primary(self, primary: str) -> bool:
        """Make the cluster by a base backup; whether that went well."""
        program = self.base_backup or "pg_basebackup"
        # A program of another version may be where only the tests' user can read.
        made = self.launch(program, "-d", primary, "-c", "fast", "--no-sync", as_user=not self.base_backup)
        made.wait()
        # Not by -R: how it writes down the primary, an older server cannot read.
        (self.data / "standby.signal").touch()
        self.settings.append(f"primary_conninfo={primary}")
        self.hand_over(*self.data.rglob("*"))
        return made.returncode == 0

    def new_cluster(self) -> bool:
        """Make an empty cluster, or one from another's data; whether that went well."""
        as_before = ("--no-data-checksums",) if self.upgraded else ()  # 18 has them, older ones must be asked
        if self.launch("initdb", "-U", "postgres", "-A", "trust", "-E", "UTF8", "--no-sync", *as_before).wait() != 0:
            return False
        if not self.upgraded:
            return True
        programs, data = self.upgraded
        old = ("-b", programs, "-d", data)
        made = self.launch("pg_upgrade", "-B", str(self.programs), *old, "-U", "postgres", "--no-sync").wait() == 0
        if not made:  # it says in which of its files the reason stands, and they are about to go
            dumps = sorted(self.data.glob("pg_upgrade_output.d/*/log/pg_upgrade_dump_*.log"))
            with self.log.open("ab") as log:
                log.writelines(path.read_bytes()[-1000:] for path in dumps)
        return made

    def accepts_connections(self) -> bool:
        """Wait until the server is up, or has given up; whether it is up. Reads what `pg_ctl -w` reads."""
        assert self.process is not None
        status = self.data / "postmaster.pid"
        deadline = time.monotonic() + START_SECONDS
        while self.process.poll() is None and time.monotonic() < deadline:
            if status.exists() and status.read_text().rstrip().endswith("ready"):
                return True
            time.sleep(0.01)
        return False

    def options(self, port: int) -> list[str]:
        """Return the server's command line: quick, since nothing in it outlives the tests."""
        if len(os.fsencode(f"{self.folder}{LONGEST_SOCKET_NAME}")) > SOCKET_PATH_LIMIT:
            raise RuntimeError(f"{self.folder} is too long a path for a Unix socket: set TMPDIR to a shorter one")
        quick = ("max_connections=200", "fsync=off", "synchronous_commit=off", "full_page_writes=off")
        settings = [word for setting in (*quick, "max_wal_size=128MB", *self.settings) for word in ("-c", setting)]
        return ["-p", str(port), "-h", "127.0.0.1", "-k", str(self.folder), *settings]

    def stop(self) -> None:
        """Stop the server at once, as `pg_ctl -m immediate` does, and leave nothing of it behind."""
        if self.process is not None:
            self.process.send_signal(signal.SIGQUIT)
            self.process.wait()
        shutil.rmtree(self.data, ignore_errors=True)
        shutil.rmtree(self.folder, ignore_errors=True)


def data_base(otherwise: Path) -> Path:
    """Return where the data goes: to memory if there is plenty of it."""
    if os.access(MEMORY, os.W_OK | os.X_OK) and shutil.disk_usage(MEMORY).free > MEMORY_NEEDED:
        return MEMORY
    return otherwise


def free_port() -> int:
    """Return a TCP port that the operating system says is free."""
    return free_ports(1)[0]


def free_ports(number: int) -> list[int]:
    """Return as many TCP ports, all different, that the operating system says are free."""
    with ExitStack() as open_sockets:
        probes = [open_sockets.enter_context(socket.socket()) for _ in range(number)]
        for probe in probes:
            probe.bind(("127.0.0.1", 0))
        return [probe.getsockname()[1] for probe in probes]


def main() -> None:
    """Keep a server until standard input ends."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--set", dest="settings", metavar="NAME=VALUE", action="append", default=[])
    parser.add_argument("--on-disk", action="store_true", help="not in memory, where a commit costs nothing")
    parser.add_argument("--standby-of", metavar="URL")
    parser.add_argument("--base-backup", type=Path, metavar="PROGRAM")
    parser.add_argument("--upgrade-of", nargs=2, metavar=("OLD", "DATA"))
    parser.add_argument("programs", type=Path)
    parser.add_argument("base", type=Path)
    parser.add_argument("user", nargs="?")
    parser.add_argument("roots", type=Path, nargs="*")
    given = parser.parse_args()
    # Ctrl-C is for the test session, which closes the pipe when it is done with the server.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))
    server = Server(given.programs, given.base, given)
    try:
        if given.user:
            server.run_as(given.user, given.roots)
        print("ready", server.start(), flush=True)
        sys.stdin.buffer.read()
    except (RuntimeError, OSError, KeyError) as error:
        print("failed", error, flush=True)
    finally:
        server.stop()


if __name__ == "__main__":
    main()
