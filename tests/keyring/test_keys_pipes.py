"""`kms-schema keys encrypt` and `decrypt` as processes: pipes, terminals, and interruptions."""

import contextlib
import os
import pty
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from kms_schema.keyring.formats.streams import SEGMENT_BYTES, stream_bytes
from support.engines import Database
from support.programs import python
from tests.keyring.key_files import NOT_OPEN, TEXT

SECONDS = 30


@pytest.fixture
def command(database: Database, root: tuple[str, str]) -> Iterator[Callable[..., python.Popen]]:
    """Starts commands as processes with pipes."""
    started: list[python.Popen] = []

    def start(*words: str, **streams: int) -> python.Popen:
        line = [sys.executable, "-m", "kms_schema", "keys", *words, *root, "--database-url", database.url]
        pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
        started.append(python.Popen(line, **(pipes | streams)))  # type: ignore[call-overload]
        return started[-1]

    yield start
    for process in started:
        with process:
            process.kill()


Command = Callable[..., "subprocess.Popen[bytes]"]


def test_pipes_are_given_whole_segments_and_a_status(command: Command, orders: str) -> None:
    blob, said = command("encrypt", orders).communicate(TEXT, timeout=SECONDS)
    assert (blob[:1], len(blob), said.count(b"\n")) == (b"\x02", stream_bytes(len(TEXT)), 1), said
    cut = command("decrypt", orders)
    text, said = cut.communicate(blob[:-1], timeout=SECONDS)
    first_two = 2 * (SEGMENT_BYTES - 16) - 40
    assert (cut.returncode, text == TEXT[:first_two]) == (1, True), said
    assert f"{NOT_OPEN}; discard what was written" in said.decode()
    assert b"Traceback" not in said


@pytest.mark.only_on("sqlite")  # the database has no part in it
def test_a_reader_that_goes_away_ends_the_command(command: Command, orders: str) -> None:
    process = command("encrypt", orders)
    assert process.stdout is not None
    process.stdout.close()
    process.stdout = None
    said = process.communicate(TEXT, timeout=SECONDS)[1]
    assert (process.returncode, b"Traceback" in said) == (3, False), said


def sizes_of_open_files(process: int, folder: Path) -> Iterator[int]:
    """Yield the sizes of the files of a folder that a process has open, with or without a name."""
    for each in Path(f"/proc/{process}/fd").iterdir():
        with contextlib.suppress(OSError):  # closed meanwhile
            if each.readlink().is_relative_to(folder):
                yield each.stat().st_size


@pytest.mark.only_on("sqlite")  # likewise
def test_ctrl_c_leaves_no_file(command: Command, orders: str, tmp_path: Path) -> None:
    target = tmp_path / "out"
    process = command("encrypt", orders, "--output", str(target))
    assert process.stdin is not None
    process.stdin.write(TEXT)
    process.stdin.flush()
    deadline = time.monotonic() + SECONDS
    while not any(size > SEGMENT_BYTES for size in sizes_of_open_files(process.pid, tmp_path)):
        assert time.monotonic() < deadline
        time.sleep(0.02)
    assert list(tmp_path.iterdir()) == []
    process.send_signal(signal.SIGINT)
    said = process.communicate(timeout=SECONDS)[1]
    assert (process.returncode, said.splitlines()[-1]) == (130, b"Interrupted."), said
    assert list(tmp_path.iterdir()) == []


@pytest.mark.only_on("sqlite")
@pytest.mark.parametrize("direction", ["encrypt", "decrypt"])
def test_a_terminal_is_given_no_binary(command: Command, orders: str, direction: str) -> None:
    terminal, its_end = pty.openpty()
    try:
        process = command(direction, orders, stdout=its_end)
        said = process.communicate(b"", timeout=SECONDS)[1]
    finally:
        os.close(terminal)
        os.close(its_end)
    assert (process.returncode, b"standard output is a terminal" in said) == (2, True), said


@pytest.mark.only_on("sqlite")
def test_a_terminal_is_told_how_the_input_ends(command: Command, orders: str) -> None:
    terminal, its_end = pty.openpty()
    try:
        process = command("encrypt", orders, stdin=its_end, stderr=its_end)
        said = b""
        while b"end with Ctrl-D" not in said:
            said += os.read(terminal, 1024)
        os.write(terminal, b"typed\n\x04")
        out = process.communicate(timeout=SECONDS)[0]
        assert (process.returncode, len(out)) == (0, stream_bytes(len("typed\n")))
        os.close(its_end)
        with contextlib.suppress(OSError):  # at the end
            while more := os.read(terminal, 1024):
                said += more
        assert b"MiB" not in said
    finally:
        os.close(terminal)
