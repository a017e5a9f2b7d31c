"""Many entries at a time are as guarded as one, however they come, and what the server sets is set in each of them."""

import datetime as dt
import json
import re
import uuid
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass
from typing import Any

import psycopg
import pytest

from kms_schema.roles.definition import CLIENT_COLUMNS, Role
from support.engines import Database
from support.engines.programs import REPOSITORY
from support.login_roles import login
from support.statements import execute
from tests.roles.granted import Granted

pytestmark = pytest.mark.only_on("postgresql")

Session = psycopg.Connection[tuple[Any, ...]]
Write = Callable[[Session, Sequence[str], Sequence[Sequence[object]]], None]
ENTRY = {"event_type": "DECRYPT", "event_category": "SECURITY", "event_description": "orders"}
READ = """SELECT id, sequence, "timestamp", recorded_by, retention_period_days, event_description FROM key_audit_logs
WHERE event_type = 'DECRYPT' ORDER BY sequence"""


def copy(session: Session, columns: Sequence[str], rows: Sequence[Sequence[object]]) -> None:
    listed = ", ".join(f'"{column}"' for column in columns)
    with session.cursor().copy(f"COPY key_audit_logs ({listed}) FROM STDIN".encode()) as copying:
        for row in rows:
            copying.write_row(row)


def insert_at_once(session: Session, columns: Sequence[str], rows: Sequence[Sequence[object]]) -> None:
    listed = ", ".join(f'"{column}"' for column in columns)
    entries = json.dumps([dict(zip(columns, row, strict=True)) for row in rows], default=str)
    session.execute(
        f"INSERT INTO key_audit_logs ({listed}) SELECT {listed}"  # noqa: S608
        " FROM jsonb_populate_recordset(NULL::key_audit_logs, %s)".encode(),
        [entries],
    )


def insert(session: Session, columns: Sequence[str], rows: Sequence[Sequence[object]]) -> None:
    listed = ", ".join(f'"{column}"' for column in columns)
    places = ", ".join(["%s"] * len(columns))
    for row in rows:
        session.execute(f"INSERT INTO key_audit_logs ({listed}) VALUES ({places})".encode(), row)  # noqa: S608


@dataclass(frozen=True)
class Application:
    """A session that may add entries, and how it does."""

    session: Session
    write: Write


@pytest.fixture(params=["copied", "inserted at once", "inserted"])
def application(request: pytest.FixtureRequest, database: Database) -> Iterator[Application]:
    """Where there are the roles there is row security, and COPY does not know that; without them it writes at once."""
    if request.param == "copied":
        columns = ", ".join(CLIENT_COLUMNS)
        with (
            login(database, f"INSERT ({columns}) ON key_audit_logs", "SELECT ON key_audit_logs") as seen,
            closing(seen.connect()) as session,
        ):
            assert isinstance(session, psycopg.Connection)
            yield Application(session, copy)
        return
    granted: Granted = request.getfixturevalue("granted")
    with granted.session(Role.APP) as session:
        yield Application(session, insert if request.param == "inserted" else insert_at_once)


def test_entries_are_added_in_their_order(application: Application) -> None:
    session, before = application.session, dt.datetime.now(dt.UTC)
    rows = [("DECRYPT", "SECURITY", f"order {n}") for n in range(50)]
    application.write(session, tuple(ENTRY), rows)
    entries = session.execute(READ.encode()).fetchall()
    assert [row[5] for row in entries] == [f"order {n}" for n in range(50)]
    assert [row[1] - entries[0][1] for row in entries] == list(range(50))
    assert len({row[0] for row in entries}) == 50
    assert {uuid.UUID(str(row[0])).version for row in entries} == {7}
    assert sorted(row[2] for row in entries) == [row[2] for row in entries]
    assert all(before - dt.timedelta(seconds=5) < row[2] < before + dt.timedelta(seconds=60) for row in entries)
    assert {(row[3], row[4]) for row in entries} == {(session.info.user, 2555)}


REFUSED: dict[str, tuple[dict[str, Any], str]] = {
    "an id": ({"id": uuid.UUID(int=1)}, "42501"),
    "a sequence": ({"sequence": 7}, "42501"),
    "a time": ({"timestamp": dt.datetime(2020, 1, 1, tzinfo=dt.UTC)}, "42501"),
    "somebody else": ({"recorded_by": "auditor"}, "42501"),
    "a period": ({"retention_period_days": 1}, "42501"),
    "an event of the database's": ({"event_type": "KEY_REVOKED"}, "23514"),
    "what looks like one": ({"event_type": " key_revoked\t"}, "23514"),
    "a category that is none": ({"event_category": "NOISE"}, "23514"),
    "a key that is none": ({"key_id": uuid.UUID(int=1)}, "23503"),
}


@pytest.mark.parametrize("what", REFUSED)
def test_one_row_that_is_refused_refuses_all(application: Application, what: str) -> None:
    values, sqlstate = REFUSED[what]
    row, session = {**ENTRY, **values}, application.session
    usual = [ENTRY.get(name) for name in row]
    with pytest.raises(psycopg.Error) as caught, session.transaction():
        application.write(session, tuple(row), [usual, tuple(row.values())])
    assert caught.value.sqlstate == sqlstate
    assert session.execute(READ.encode()).fetchall() == []


GUARDED = [name for name, (_, sqlstate) in REFUSED.items() if sqlstate == "42501"]


@pytest.mark.parametrize("what", GUARDED)
def test_a_role_that_writes_every_column_is_refused_by_the_guard_trigger(database: Database, what: str) -> None:
    row = {**ENTRY, **REFUSED[what][0]}
    with login(database, "INSERT ON key_audit_logs") as seen, closing(seen.connect()) as session:
        assert isinstance(session, psycopg.Connection)
        with pytest.raises(psycopg.errors.CheckViolation, match=r"guard_key_audit_log_insert: the (server|database)"):
            copy(session, tuple(row), [tuple(row.values())])


def test_copy_does_not_go_past_row_security(granted: Granted) -> None:
    with (
        granted.session(Role.APP) as session,
        pytest.raises(psycopg.errors.FeatureNotSupported, match="COPY FROM not supported with row-level security"),
    ):
        copy(session, tuple(ENTRY), [tuple(ENTRY.values())])


def test_the_statement_of_the_page_brings_as_many_at_once(granted: Granted) -> None:
    page = (REPOSITORY / "docs" / "importing.md").read_text(encoding="utf-8")
    (statement,) = re.findall(r"```sql\n(.*?)```", page, re.DOTALL)
    entries = [{**ENTRY, "user_id": f"user-{n}", "additional_metadata": {"at": "2025-02-01"}} for n in range(20)]
    with granted.session(Role.APP) as session:
        execute(session, statement, {"entries": entries})
        rows = session.execute(b"SELECT user_id, additional_metadata FROM key_audit_logs ORDER BY sequence").fetchall()
    assert rows == [(f"user-{n}", {"at": "2025-02-01"}) for n in range(20)]
