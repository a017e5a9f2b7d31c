"""`kms-schema audit verify --jobs`: what one process says, and Ctrl-C ends all of them."""

import signal
import subprocess
import sys
import time
from contextlib import closing

import pytest

from support.programs import python
from support.statements import execute
from support.violations.triggers_disabled import triggers_disabled
from tests.cli.audit_trails import Trail

SECONDS = 30
SESSIONS = "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid()"


def test_several_jobs_say_what_one_says(trail: Trail) -> None:
    trail.write(10)
    trail.seal()
    said = trail.told("verify", "--jobs", 3, "--checkpoint", trail.folder / "kept.txt", "--trust", trail.trusted)
    assert said == trail.told("verify", "--checkpoint", trail.folder / "kept.txt", "--trust", trail.trusted)
    assert (said["sound"], said["entries"]) == (True, 11)
    with closing(trail.database.connect()) as connection, triggers_disabled(connection):
        execute(connection, "UPDATE key_audit_logs SET risk_score = 99 WHERE sequence = 5")
    done = trail.audit("verify", "--jobs", 2)
    assert (done.status, done.out) == (1, trail.audit("verify").out)
    assert "(sequence 5) is not what was sealed" in done.out
    assert trail.audit("verify", "--jobs", 0).status == 2


@pytest.mark.only_on("postgresql")
def test_ctrl_c_leaves_no_process_and_no_session(trail: Trail) -> None:
    trail.write(1)
    trail.seal()
    with closing(trail.database.connect()) as connection:
        execute(connection, "BEGIN")
        execute(connection, "LOCK TABLE key_audit_logs IN ACCESS EXCLUSIVE MODE")
        words = ["-m", "kms_schema", "audit", "verify", "--jobs", "3", "--database-url", trail.database.url]
        command = python.Popen([sys.executable, *words], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        _await_sessions(trail, waiting=1, sessions=4)
        command.send_signal(signal.SIGINT)
        out, error = command.communicate(timeout=SECONDS)  # the other processes have its standard error, too
        assert (command.returncode, out) == (130, "")
        assert "Traceback" not in error
        execute(connection, "ROLLBACK")
    _await_sessions(trail, waiting=0, sessions=0)


def _await_sessions(trail: Trail, *, waiting: int, sessions: int) -> None:
    deadline = time.monotonic() + SECONDS
    with closing(trail.database.connect()) as connection:
        while execute(connection, f"{SESSIONS} AND wait_event_type = 'Lock'").fetchone() != (waiting,) or execute(
            connection, SESSIONS
        ).fetchone() != (sessions,):
            assert time.monotonic() < deadline, execute(connection, "TABLE pg_stat_activity").fetchall()
            time.sleep(0.02)
