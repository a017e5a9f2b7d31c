"""`kms-schema rotations run` as a service: it polls, and a signal lets it finish the key at hand."""

import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing, contextmanager

import pytest

from kms_schema.keyring import KeyRing
from support.engines import Database
from support.engines.programs import REPOSITORY
from support.programs import python
from support.statements import execute
from tests.keyring.due_keys import live, old_key, quarterly, rotation, wait_until
from tests.keyring.rings import rows


@pytest.fixture(autouse=True, scope="module")
def _policy(database: Database) -> None:
    quarterly(database)


@contextmanager
def service(database: Database, root: tuple[str, str]) -> Iterator[python.Popen]:
    """A worker that looks for keys every tenth of a second."""
    words = ["rotations", "run", "--worker", "service", "--interval", "0.1", *root, "--database-url", database.url]
    process = python.Popen(
        [sys.executable, "-m", "kms_schema", *words], cwd=REPOSITORY, text=True, stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )  # fmt: skip
    try:
        yield process
    finally:
        process.kill()
        process.communicate()


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_service_rotates_what_becomes_due_and_ends(
    ring: KeyRing, kek: str, database: Database, root: tuple[str, str], number: signal.Signals
) -> None:
    status = 130 if number == signal.SIGINT else 0
    with service(database, root) as process:
        name = old_key(ring, kek)
        wait_until(lambda: live(database, name) == [2])
        process.send_signal(number)
        out, err = process.communicate(timeout=60)
    assert (process.returncode, out) == (status, "1 scheduled, 1 completed\n"), err
    assert ("Interrupted." in err.splitlines()) is (status == 130)


@pytest.mark.only_on("postgresql")
def test_sigterm_finishes_the_key_at_hand_and_begins_no_other(
    ring: KeyRing, kek: str, database: Database, root: tuple[str, str]
) -> None:
    names = [old_key(ring, kek), old_key(ring, kek)]
    running = (
        "SELECT m.key_id FROM key_rotations AS r JOIN key_masters AS m ON m.id = r.key_id WHERE r.status = 'RUNNING'"
    )
    with closing(database.connect()) as other:
        execute(other, "BEGIN")
        for name in names:
            execute(other, "SELECT 1 FROM key_masters WHERE key_id = :key FOR NO KEY UPDATE", {"key": name})
        with service(database, root) as process:
            wait_until(lambda: bool(rows(database, running)))
            process.send_signal(signal.SIGTERM)
            with pytest.raises(subprocess.TimeoutExpired):
                process.wait(timeout=0.5)
            [(at_hand,)] = rows(database, running)
            execute(other, "COMMIT")
            out, err = process.communicate(timeout=60)
    assert (process.returncode, out) == (0, "2 scheduled, 1 completed\n"), err
    left = next(name for name in names if name != at_hand)
    assert (live(database, at_hand), live(database, left)) == ([2], [1])
    assert rotation(database, left, "status") == ("SCHEDULED",)
