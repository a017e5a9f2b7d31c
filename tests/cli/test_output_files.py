"""The files that commands write: with which permissions, and that nobody chooses where they go by a link."""

import ast
import errno
import os
import signal
import sqlite3
import stat
import threading
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, closing, contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import BinaryIO

import click
import pytest

from kms_schema.files.outputs import FOR_OTHERS, PRIVATE, named_file, new_file, replaced_file
from support.engines.programs import REPOSITORY
from support.programs.commands import Said, kms_schema
from support.prose import commands
from tests.cli.audit_trails import Trail

Command = Callable[[Trail, Path], Said]
Write = Callable[[Path], AbstractContextManager[BinaryIO]]


def export(trail: Trail, file: Path) -> Said:
    return trail.audit("export", file)


def keygen(_: Trail, file: Path) -> Said:
    return kms_schema("audit", "keygen", "kms.example/new", "--output", str(file))


def report(trail: Trail, file: Path) -> Said:
    return kms_schema("validate", "--output", str(file), url=trail.database.url)


def script(_: Trail, file: Path) -> Said:
    return kms_schema("sql", "--engine", "sqlite", "--output", str(file))


def key_pair(_: Trail, file: Path) -> Said:
    return kms_schema("handover", "new-key", str(file))


def inventory(trail: Trail, file: Path) -> Said:
    return kms_schema("inventory", "--output", str(file), url=trail.database.url)


def document(trail: Trail, file: Path) -> Said:
    year = str(datetime.now(UTC).year)
    return kms_schema("report", "--standard", "sox", "--period", year, "--output", str(file), url=trail.database.url)


def metrics(trail: Trail, file: Path) -> Said:
    return kms_schema("metrics", "export", "--once", "--textfile", str(file), url=trail.database.url)


NEW: dict[str, Command] = {"audit export": export, "audit keygen": keygen}
REPLACED: dict[str, Command] = {"validate": report, "sql": script}
SHARED = {script}


@contextmanager
def umask(mask: int) -> Iterator[None]:
    before = os.umask(mask)
    try:
        yield
    finally:
        os.umask(before)


def permissions(file: Path) -> int:
    return stat.S_IMODE(file.lstat().st_mode)


@pytest.fixture
def sealed(trail: Trail) -> Trail:
    trail.write()
    trail.seal()
    return trail


@pytest.mark.parametrize("command", [export, keygen, report, script, key_pair, inventory, document])
def test_a_full_disk_is_status_3_with_the_name_of_the_file(
    sealed: Trail, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, command: Command
) -> None:
    def full(_handle: int) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    folder = tmp_path / "full"
    folder.mkdir()
    monkeypatch.setattr(os, "fsync", full)
    done = command(sealed, folder / "file")
    assert (done.status, done.out) == (3, "")
    assert f"{folder / 'file'}" in done.error
    assert done.error.endswith(": No space left on device")
    assert list(folder.iterdir()) == []


@pytest.mark.only_on("sqlite")
@pytest.mark.parametrize("command", [export, keygen, report, script, key_pair, inventory, document, metrics])
def test_a_dash_is_standard_output_and_no_file(
    sealed: Trail, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, command: Command
) -> None:
    folder = tmp_path / "here"
    folder.mkdir()
    monkeypatch.chdir(folder)
    done = command(sealed, Path("-"))
    if command in {export, keygen, key_pair}:
        assert (done.status, done.out) == (2, "")
        assert "the output cannot be standard output: name a file" in done.error
    else:
        assert done.status in {0, 1}, done.all
        assert done.out
    assert list(folder.iterdir()) == []


def test_each_option_for_a_file_to_write_knows_the_dash() -> None:
    """The others read a file or folder: a missing one is an error, so that none is made."""
    read = {
        "keys encrypt FILE", "keys decrypt FILE", "handover import FILE", "handover import --key", "handover open FILE",
        "handover open --key", "handover send --to", "handover show FILE", "roots create --from-file",
    }  # fmt: skip
    plain = {
        f"{path.removeprefix('kms-schema ')} {each.opts[0] if isinstance(each, click.Option) else 'FILE'}"
        for path, command in commands().items()
        for each in command.params
        if type(each.type) is click.Path and not each.type.exists
    }
    assert plain == read


@pytest.mark.only_on("sqlite")
@pytest.mark.parametrize("mask", [0, 0o777])
def test_files_are_private_whatever_the_umask_is(sealed: Trail, tmp_path: Path, mask: int) -> None:
    for number, command in enumerate((*NEW.values(), *REPLACED.values())):
        file = tmp_path / f"made-{number}"
        with umask(mask):
            said = command(sealed, file)
        assert said.status == 0, said.all
        assert permissions(file) == (FOR_OTHERS & ~mask if command in SHARED else PRIVATE)
    if mask == 0:
        assert permissions(tmp_path / "made-1.pub") == FOR_OTHERS


@pytest.mark.only_on("sqlite")
def test_a_database_that_an_upgrade_creates_is_private(tmp_path: Path) -> None:
    made, there = tmp_path / "made.db", tmp_path / "there.db"
    with umask(0o022):
        there.touch()
        for file in (made, there):
            assert kms_schema("upgrade", "004", url=f"sqlite:///{file}").status == 0
    with closing(sqlite3.connect(made)) as connection:
        connection.execute("BEGIN IMMEDIATE")
        files = {file.name: permissions(file) for file in tmp_path.glob("made.db*")}
    assert files == dict.fromkeys(("made.db", "made.db-wal", "made.db-shm"), PRIVATE)
    assert permissions(there) == FOR_OTHERS, "a file that is there keeps its permissions"


@pytest.mark.only_on("sqlite")
@pytest.mark.parametrize("dangling", [False, True])
def test_no_file_is_written_through_a_link(sealed: Trail, tmp_path: Path, *, dangling: bool) -> None:
    elsewhere = tmp_path / "elsewhere"
    if not dangling:
        elsewhere.write_text("of somebody else", encoding="utf-8")
    for name, command in (NEW | REPLACED).items():
        link = tmp_path / name.replace(" ", "-")
        link.symlink_to(elsewhere)
        said = command(sealed, link)
        assert said.status == 2, name
        assert "exists, and " in said.error or "it is a symbolic link: name the file itself" in said.error
        assert elsewhere.exists() is not dangling
        assert dangling or elsewhere.read_text(encoding="utf-8") == "of somebody else"
        assert link.is_symlink()


def test_a_verifier_key_is_not_written_through_a_link(tmp_path: Path) -> None:
    (tmp_path / "seal.key.pub").symlink_to(tmp_path / "elsewhere")
    said = kms_schema("audit", "keygen", "kms.example/new", "--output", str(tmp_path / "seal.key"))
    assert (said.status, sorted(each.name for each in tmp_path.iterdir())) == (2, ["seal.key.pub"])


def test_a_file_of_ours_keeps_its_permissions_and_is_another_file(tmp_path: Path) -> None:
    file, second_name = tmp_path / "report", tmp_path / "second-name"
    file.write_text("before", encoding="utf-8")
    file.chmod(0o640)
    second_name.hardlink_to(file)
    with replaced_file(file) as target:
        target.write(b"after")
        assert file.read_text(encoding="utf-8") == "before"
    assert (file.read_text(encoding="utf-8"), permissions(file)) == ("after", 0o640)
    assert second_name.read_text(encoding="utf-8") == "before"


@pytest.mark.parametrize("write", [named_file, replaced_file])
def test_a_killed_process_leaves_no_file(write: Write, tmp_path: Path) -> None:
    child = os.fork()
    if child == 0:
        with write(tmp_path / "raw.key") as target:
            target.write(b"secret" * 10_000)
            os.kill(os.getpid(), signal.SIGKILL)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == -signal.SIGKILL
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("nameless", [True, False])
def test_a_name_that_is_taken_meanwhile_is_left(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, *, nameless: bool
) -> None:
    if not nameless:
        monkeypatch.delattr(os, "O_TMPFILE")
    file = tmp_path / "raw.key"
    with named_file(tmp_path / "other") as target:
        target.write(b"whole")
        assert len(list(tmp_path.iterdir())) == (0 if nameless else 1)
    with pytest.raises(FileExistsError, match=r"raw\.key"), named_file(file):
        file.write_bytes(b"of another")
    assert file.read_bytes() == b"of another"
    with replaced_file(file) as target:
        target.write(b"mine")
    assert (file.read_bytes(), (tmp_path / "other").read_bytes()) == (b"mine", b"whole")
    assert sorted(each.name for each in tmp_path.iterdir()) == ["other", "raw.key"]


@pytest.mark.parametrize("write", [named_file, new_file, replaced_file])
def test_an_error_leaves_no_file(write: Write, tmp_path: Path) -> None:
    with pytest.raises(KeyboardInterrupt), write(tmp_path / "report"):  # type: ignore[attr-defined]
        raise KeyboardInterrupt
    assert list(tmp_path.iterdir()) == []


def test_a_pipe_is_written_and_stays(tmp_path: Path) -> None:
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    late = threading.Timer(10, lambda: os.close(os.open(pipe, os.O_RDONLY)))  # else a command that waits would hang
    late.start()
    said = kms_schema("sql", "--engine", "sqlite", "003", "--output", str(pipe))
    assert (said.status, "no program reads this FIFO" in said.error) == (2, True), said.all
    late.cancel()
    reader = os.open(pipe, os.O_RDONLY | os.O_NONBLOCK)
    try:
        assert kms_schema("sql", "--engine", "sqlite", "003", "--output", str(pipe)).status == 0
        assert os.read(reader, 1000)
    finally:
        os.close(reader)
    assert stat.S_ISFIFO(pipe.lstat().st_mode)


def creates_a_file(node: ast.AST) -> bool:
    if isinstance(node, ast.Attribute | ast.Name):
        name = node.attr if isinstance(node, ast.Attribute) else node.id
        return name in {"write_text", "write_bytes", "O_CREAT", "O_TMPFILE", "mkstemp", "NamedTemporaryFile"}
    if not isinstance(node, ast.Call) or ast.unparse(node.func).rpartition(".")[2] != "open":
        return False
    if any(each.arg == "closefd" for each in node.keywords):  # the number of a file that is open
        return False
    modes = (each.value for each in ast.walk(node) if isinstance(each, ast.Constant) and isinstance(each.value, str))
    return any(mode.rstrip("bt+") in {"w", "x", "a"} for mode in modes)


def test_all_files_are_written_in_one_place() -> None:
    writers = {
        str(file.relative_to(REPOSITORY))
        for file in (REPOSITORY / "kms_schema").rglob("*.py")
        if any(creates_a_file(node) for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))))
    }
    assert writers == {"kms_schema/files/outputs.py"}
