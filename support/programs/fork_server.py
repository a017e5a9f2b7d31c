"""Fork the programs of tests from a process that has imported their common modules: see `python.py`.

    python fork_server.py SOCKET LISTENER

Reads one request for each program from a socket, with its three standard streams: a JSON document of the words after
`python`, the folder, the environment, and whether it begins a session. Answers with the number of the process. That
process is no child of this server: its parent ends at once, so that the nearest process that collects orphans adopts
it, which is the one that asked. Other processes get the exit status from the listening socket.
"""

import atexit
import contextlib
import gc
import importlib
import json
import os
import pkgutil
import runpy
import select
import signal
import socket
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

PRELOADED = (
    *("alembic.command", "alembic.config", "alembic.autogenerate", "sqlite3", "psycopg", "sqlalchemy"),
    *("sqlalchemy.dialects.postgresql.psycopg", "sqlalchemy.dialects.sqlite.pysqlite", "cryptography.x509"),
    *("kms_schema.cli.main", "prometheus_client", "logging.config"),
)
LEFT_OUT = ("__main__", "aws_root", "migrations", "pytest_plugin", "testing")
"""Of our modules, those that begin a program, or import what few programs use."""


def modules() -> Iterator[str]:
    """Yield the names of what is imported: of our package all, which commands import one by one."""
    yield from PRELOADED
    package = Path(__file__).parents[2] / "kms_schema"
    for _, name, _ in pkgutil.walk_packages([str(package)], "kms_schema."):
        if not set(name.split(".")) & set(LEFT_OUT):
            yield name


def requested(requests: socket.socket) -> tuple[dict[str, Any], list[int]] | None:
    """Return the next request with its streams; nothing at the end."""
    text, streams, _, _ = socket.recv_fds(requests, 2**20, 3)
    return (json.loads(text), list(streams)) if text else None


def fork(answers: socket.socket, streams: list[int], *, follow: bool) -> bool:
    """Start a process, tell its number, and its exit status where it is to be followed; return whether this is it."""
    told, tell = os.pipe()
    between = os.fork()
    if between == 0:
        child = os.fork()
        if child == 0:
            for descriptor in (told, tell):
                os.close(descriptor)
            return True
        os.write(tell, str(child).encode())
        if follow:
            for descriptor in streams:
                os.close(descriptor)
            answers.send(str(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])).encode())
        os._exit(0)
    if not follow:
        os.waitpid(between, 0)
        answers.send(os.read(told, 32))
    for descriptor in (told, tell, *streams):
        os.close(descriptor)
    return False


def become(request: dict[str, Any], streams: list[int]) -> None:
    """Take over the streams, the folder and the environment."""
    for standard, stream in enumerate(streams):
        os.dup2(stream, standard)
        os.close(stream)
    if request["session"]:
        os.setsid()
    os.environ.clear()
    os.environ.update(request["environment"])
    os.chdir(request["folder"])
    encoding = request["environment"].get("PYTHONIOENCODING", "utf-8")
    sys.stdout = open(1, "w", encoding=encoding, closefd=False)  # noqa: SIM115
    sys.stderr = open(2, "w", buffering=1, encoding=encoding, errors="backslashreplace", closefd=False)  # noqa: SIM115
    sys.dont_write_bytecode = bool(request["environment"].get("PYTHONDONTWRITEBYTECODE"))
    signal.signal(signal.SIGINT, signal.default_int_handler)


def run(words: list[str]) -> None:
    """Run what `python` runs when it is given these words."""
    kind, *rest = words
    if kind == "-m":
        sys.path[0] = str(Path.cwd())
        sys.argv = rest
        runpy.run_module(rest[0], run_name="__main__", alter_sys=True)
    elif kind == "-c":
        sys.path[0] = ""
        sys.argv = ["-c", *rest[1:]]
        exec(compile(rest[0], "<string>", "exec"), sys.modules["__main__"].__dict__)  # noqa: S102
    else:
        sys.path[0] = str(Path(kind).parent)
        sys.argv = words
        runpy.run_path(kind, run_name="__main__")


def run_to_the_end(words: list[str]) -> None:
    """Run a program, and end as Python does, but for the release of all modules: it takes longer than most programs."""
    status: object = 0
    try:
        run(words)
    except SystemExit as ended:
        status = ended.code
        if not isinstance(status, int | None):
            raise  # Python prints it
    threading._shutdown()
    atexit._run_exitfuncs()
    try:
        sys.stdout.flush()
        sys.stderr.flush()
    except OSError:
        sys.exit(status)
    os._exit((status or 0) & 0xFF)


def main() -> None:
    """Serve until the other end closes the socket; in a process that was asked for, run it."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    for name in modules():
        with contextlib.suppress(ImportError):  # a library that is missing, or older than one module needs
            importlib.import_module(name)
    gc.freeze()
    asked, listener = (socket.socket(fileno=int(descriptor)) for descriptor in sys.argv[1:])
    while True:
        for ready in select.select([asked, listener], [], [])[0]:
            requests = asked if ready is asked else listener.accept()[0]
            received = requested(requests)
            if received is None and ready is asked:
                return
            if received is not None and fork(requests, received[1], follow=ready is listener):
                for one in (asked, listener, requests):
                    one.close()
                become(*received)
                run_to_the_end(received[0]["words"])
                return
            if ready is listener:
                requests.close()
        with contextlib.suppress(ChildProcessError):
            while os.waitpid(-1, os.WNOHANG)[0]:
                pass


if __name__ == "__main__":
    main()
