"""Ctrl-C in the middle of an upgrade: it stops at once, says so, and the next run goes on."""

import os
import select
import signal
import subprocess
import sys
import time
from contextlib import closing

import pytest

from kms_schema.migrate import program
from support.engines import Database
from support.programs import python
from support.revisions import revisions
from support.rows.smallest import insert, key_master
from support.statements import execute

SECONDS = 60
SAYS = {
    "postgresql": "Interrupted. Run the same command again: it continues the unfinished revision.",
    "sqlite": "Interrupted, and rolled back: unless it had ended, the file is as before. Run the same command again.",
}


def test_ctrl_c_stops_an_upgrade_that_waits_and_the_next_one_completes(empty_database: Database) -> None:
    empty_database.alembic("upgrade", "004")
    with closing(empty_database.connect()) as writer:
        # CREATE INDEX CONCURRENTLY waits for it to end; on SQLite the upgrade waits to begin.
        execute(writer, "BEGIN")
        insert(writer, "key_masters", **key_master())
        upgrade = python.Popen(
            [sys.executable, "-m", "kms_schema", "upgrade", "--database-url", empty_database.url],
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
        )
        said = _until(upgrade, b"waiting" if empty_database.dialect == "sqlite" else b"building")
        _until_it_waits(empty_database)
        upgrade.send_signal(signal.SIGINT)
        began = time.monotonic()
        said += upgrade.communicate(timeout=SECONDS)[1]
        assert time.monotonic() - began < SECONDS / 2
        assert upgrade.returncode == 130
        assert said.decode().splitlines()[-1] == SAYS[empty_database.dialect]
        assert b"Traceback" not in said
        assert program.current(empty_database.url) == ("004_create_key_management_system",)
        execute(writer, "COMMIT")
    program.upgrade(empty_database.url)
    assert program.current(empty_database.url) == (revisions()[-1],)


def _until_it_waits(database: Database) -> None:
    """Wait until the server is in the midst of building an index; on SQLite the upgrade has said that it waits."""
    if database.dialect == "sqlite":
        return
    waiting = "SELECT count(*) FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND query LIKE 'CREATE INDEX CONC%'"
    deadline = time.monotonic() + SECONDS
    with closing(database.connect()) as connection:
        while execute(connection, waiting).fetchone() == (0,):
            assert time.monotonic() < deadline
            time.sleep(0.01)


def _until(process: subprocess.Popen[bytes], word: bytes) -> bytes:
    """Read what a process writes to standard error until it has said `word`."""
    assert process.stderr is not None
    said, deadline = b"", time.monotonic() + SECONDS
    while word not in said:
        assert select.select([process.stderr], [], [], deadline - time.monotonic())[0], said
        read = os.read(process.stderr.fileno(), 4096)
        assert read, said
        said += read
    return said


INTERRUPTED_AT = """
import os, signal, sys
from inspect import CO_GENERATOR
at, *arguments = sys.argv[1:]
place, _, number = at.partition(":")
left = int(number)

def count(frame, event, _argument):
    global left
    code = frame.f_code
    if event == "call" and (code.co_name == place or place == "any" and not code.co_flags & CO_GENERATOR):
        left -= 1
        if left == 0:
            sys.setprofile(None)
            os.kill(os.getpid(), signal.SIGINT)

from kms_schema.cli import main
import kms_schema.cli.validate
sys.setprofile(count)
main(arguments)
"""
"""A command that gets SIGINT at a call: the so-manyth of any function, or of one of a name.

Of any but a generator: the interpreter may be closing that, and then ignores an exception in it, with a traceback.
"""

MOMENTS = {
    "sqlite": (
        "any:20000 --probe",
        "probing:1 --probe",
        "_refuse:20 --probe",
        "run:100 --probe",
        "decide:5",
        "decide:30",
    ),
    "postgresql": ("any:20000 --probe", "_refuse:20 --probe", "execute:10 --probe", "execute:200 --probe"),
}
"""On SQLite `decide` is the authorizer: SQLite makes an error of its own of an exception in it."""


def test_ctrl_c_ends_a_validation_with_130_at_any_moment(database: Database) -> None:
    for moment in MOMENTS[database.dialect]:
        at, *probe = moment.split()
        done = python.run(
            [sys.executable, "-c", INTERRUPTED_AT, at, "validate", *probe, "--database-url", database.url]
        )
        assert (moment, done.returncode, done.stderr.splitlines()[-1:]) == (moment, 130, ["Interrupted."])
        assert "Traceback" not in done.stderr
        assert "Error" not in done.stderr


@pytest.mark.only_on("sqlite")
def test_ctrl_c_while_an_error_is_shown_is_no_traceback(database: Database) -> None:
    words = ["show:1", "validate", "--nonsense", "--database-url", database.url]
    done = python.run([sys.executable, "-c", INTERRUPTED_AT, *words])
    assert (done.returncode, "Traceback" in done.stderr) == (130, False), done.stderr
