"""Python programs in separate processes, which start in a tenth of the time.

`run` and `Popen` are those of `subprocess`, for `[sys.executable, "-m" or "-c" or a file, …]`. Imports take longer than
most programs here, so the programs are forked from a process that has imported their modules. They are real processes
with their own streams, signals and exit statuses. Tests of starting, importing or interpreter options use `subprocess`.
"""

import atexit
import ctypes
import json
import os
import shutil
import socket
import subprocess
import sys
import tempfile
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from typing import Any

from support.engines.programs import REPOSITORY
from support.programs import fork_server

PR_SET_CHILD_SUBREAPER = 36
ONE_AT_A_TIME = threading.Lock()


class Popen(subprocess.Popen[str]):
    """A process that a server forks: only how it is started differs."""

    def _execute_child(self, *given: Any) -> None:
        if sys.platform != "linux":
            super()._execute_child(*given)  # type: ignore[misc]
            return
        words, cwd, environment = given[0], given[5], given[6]
        child_in, parent_in, parent_out, child_out, parent_err, child_err = given[10:16]
        assert words[0] == sys.executable, words
        request = {
            "words": [os.fspath(word) for word in words[1:]],
            "folder": os.fspath(cwd or Path.cwd()),
            "session": given[21],
            "environment": dict(os.environ if environment is None else environment),
        }
        streams = [
            standard if chosen == -1 else chosen for standard, chosen in enumerate((child_in, child_out, child_err))
        ]
        with ONE_AT_A_TIME, collecting_orphans():
            socket.send_fds(server(), [json.dumps(request).encode()], streams)
            answer = server().recv(32)
        self.pid = int(answer)
        self._child_created = True
        self._close_pipe_fds(child_in, parent_in, parent_out, child_out, parent_err, child_err)  # type: ignore[attr-defined]


@contextmanager
def collecting_orphans() -> Iterator[None]:
    """Make what is orphaned below this process its child: only for a moment, since nobody would collect the others."""
    prctl = ctypes.CDLL(None).prctl
    prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)
    try:
        yield
    finally:
        prctl(PR_SET_CHILD_SUBREAPER, 0, 0, 0, 0)


def run(
    words: Sequence[str], *, stderr: int = subprocess.PIPE, timeout: float | None = None, **options: Any
) -> subprocess.CompletedProcess[str]:
    """Run a program to its end and return what it said; raises as `subprocess.run` does."""
    with Popen(words, stdout=subprocess.PIPE, stderr=stderr, text=True, **options) as process:
        try:
            out, err = process.communicate(timeout=timeout)
        except BaseException:
            process.kill()
            raise
    return subprocess.CompletedProcess(words, process.returncode, out, err)


CLIENT = """#!{python} -IS
import json, os, socket, sys
server = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
server.connect({place!r})
words = ["-c", {start!r}, *sys.argv[1:]]
request = {{"words": words, "folder": os.getcwd(), "environment": dict(os.environ), "session": False}}
socket.send_fds(server, [json.dumps(request).encode()], [0, 1, 2])
status = int(server.recv(32))
sys.exit(status if status >= 0 else 128 - status)
"""
START = {
    "alembic": "from alembic.config import main; main(prog='alembic')",
    "kms-schema": "from kms_schema.cli import main; main()",
}


def programs(folder: Path) -> Path:
    """Write `alembic` and `kms-schema` into a folder, for the PATH of a shell; interrupting them reaches no further."""
    folder.mkdir(exist_ok=True)
    server()
    for name, start in START.items():
        file = folder / name
        file.write_text(CLIENT.format(python=sys.executable, place=str(place()), start=start), encoding="utf-8")
        file.chmod(0o755)
    return folder


@cache
def place() -> Path:
    """Return where programs of shells reach this process's server, in a folder that is gone when the tests end."""
    folder = tempfile.mkdtemp(prefix="kms-forks-")
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    return Path(folder) / "socket"


@cache
def server() -> socket.socket:
    """Return the way to this process's server, which ends with it."""
    ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    with theirs, socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET) as listener:
        listener.bind(str(place()))
        listener.listen()
        descriptors = [theirs.fileno(), listener.fileno()]
        subprocess.Popen(
            [sys.executable, fork_server.__file__, *map(str, descriptors)],
            pass_fds=descriptors,
            cwd=REPOSITORY,
            env={**os.environ, "PYTHONPATH": str(REPOSITORY)},
            stdin=subprocess.DEVNULL,
            start_new_session=True,
        )
    return ours
