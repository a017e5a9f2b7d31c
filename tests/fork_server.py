"""Fork the programs that tests run from a process that has read in what all of them read in: see `tests/python.py`.

    python fork_server.py DESCRIPTOR

Reads one request for each program from the socket, with its three standard streams: a JSON document of the words after
`python`, the folder, the environment, and whether it begins a session. Answers with the number of the process. That
process is no child of this server: what forked it ends at once, so that it falls to the nearest process that collects
orphans, the one that asked.
"""

import contextlib
import gc
import importlib
import json
import os
import runpy
import signal
import socket
import sys
from pathlib import Path
from typing import Any

PRELOADED = (
    *("alembic.command", "alembic.config", "alembic.autogenerate", "sqlite3", "psycopg", "sqlalchemy"),
    *("sqlalchemy.dialects.postgresql.psycopg", "sqlalchemy.dialects.sqlite.pysqlite", "cryptography.x509"),
    *("kms_schema.cli.main", "kms_schema.migrating.environment", "kms_schema.models", "kms_schema.validation"),
)


def requested(requests: socket.socket) -> tuple[dict[str, Any], list[int]] | None:
    """Return the next request with its streams; nothing at the end."""
    text, streams, _, _ = socket.recv_fds(requests, 2**20, 3)
    return (json.loads(text), list(streams)) if text else None


def fork(requests: socket.socket, streams: list[int]) -> bool:
    """Start a process, tell its number, and return whether this is it."""
    told, tell = os.pipe()
    between = os.fork()
    if between == 0:
        child = os.fork()
        if child == 0:
            for descriptor in (told, tell):
                os.close(descriptor)
            return True
        os.write(tell, str(child).encode())
        os._exit(0)
    os.waitpid(between, 0)
    requests.send(os.read(told, 32))
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


def main() -> None:
    """Serve until the other end closes the socket; in a process that was asked for, run it."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    for name in PRELOADED:
        with contextlib.suppress(ModuleNotFoundError):
            importlib.import_module(name)
    gc.freeze()
    requests = socket.socket(fileno=int(sys.argv[1]))
    while (received := requested(requests)) is not None:
        request, streams = received
        if fork(requests, streams):
            requests.close()
            become(request, streams)
            run(request["words"])
            return


if __name__ == "__main__":
    main()
