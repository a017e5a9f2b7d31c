"""Everything that stops an upgrade is asked before it changes anything."""

import logging
import threading
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from pathlib import Path

import pytest

from kms_schema.migrate.conditions import without_notes
from support.engines import Database
from support.programs.commands import kms_schema
from support.statements import execute

RELATIONS = (
    "SELECT c.relname FROM pg_class AS c JOIN pg_namespace AS n ON n.oid = c.relnamespace"
    " WHERE n.nspname = 'public' ORDER BY 1"
)


@pytest.mark.only_on("postgresql")
def test_what_stops_a_later_revision_is_asked_before_the_first(empty_database: Database) -> None:
    with closing(empty_database.connect()) as connection:
        execute(connection, "CREATE TABLE audit_logs (id bigint PRIMARY KEY, timestamp timestamptz, user_id text)")
        execute(connection, "CREATE TABLE key_rotations (id bigint)")
        before = execute(connection, RELATIONS).fetchall()
        said = kms_schema("upgrade", url=empty_database.url)
        assert (said.status, "public.key_rotations already exists" in said.error) == (1, True), said.error
        assert execute(connection, RELATIONS).fetchall() == before
        execute(connection, "DROP TABLE key_rotations")
    said = kms_schema("upgrade", url=empty_database.url)
    assert said.status == 0, said.all
    assert said.all.count("is left out: audit_logs has no column action_type") == 1


@pytest.mark.only_on("sqlite")
@pytest.mark.parametrize("target", ["999", "+99", "head+1", "004-9", "base-1", "base"])
def test_an_unknown_revision_creates_no_file(tmp_path: Path, target: str) -> None:
    file = tmp_path / "kms.db"
    said = kms_schema("upgrade", target, url=f"sqlite:///{file}")
    assert (said.status, file.exists()) == (2, False), said.all
    assert kms_schema("upgrade", "004", url=f"sqlite:///{file}").status == 0


def test_upgrades_in_two_threads_keep_the_notes_of_each_other(caplog: pytest.LogCaptureFixture) -> None:
    notes, first_has_ended = logging.getLogger("alembic.runtime.migration"), threading.Event()
    caplog.set_level(logging.INFO, notes.name)

    def second() -> None:
        with without_notes():
            notes.info("of the second, before")
            assert first_has_ended.wait(10)
        notes.info("of the second")

    with ThreadPoolExecutor(1) as pool:
        with without_notes():
            ended = pool.submit(second)
            notes.info("of the first, before")
        first_has_ended.set()
        notes.info("of the first")
        ended.result(10)
    notes.info("later")
    assert sorted(caplog.messages) == ["later", "of the first", "of the second"]
