"""Re-encrypting a column of an application: which rows, how, and what stops it."""

import datetime as dt
import io
import json
import uuid
from collections.abc import Iterator
from contextlib import ExitStack, nullcontext, suppress
from typing import Any

import pytest
import sqlalchemy as sa

from kms_schema.keyring import ColumnError, EncryptedColumn, KeyNotPermittedError, KeyRing
from kms_schema.keyring.columns.reencrypting import Job
from kms_schema.keyring.formats.bound_data import bound_data
from kms_schema.roles.definition import Role
from support.engines import Database
from support.errors import raises
from support.programs.commands import kms_schema
from tests.keyring.invoices import NOT_A_CIPHERTEXT, invoices, reencrypt, stored
from tests.keyring.rings import change, ring_as
from tests.roles.granted import Granted


@pytest.fixture
def table(ring: KeyRing, sql_engine: sa.Engine, orders: str) -> Iterator[sa.Table]:
    """Five values of version 1, a NULL, one of another place, bytes that are no ciphertext, and one of version 2."""
    columns = (sa.Column("id", sa.Integer, primary_key=True), sa.Column("iban", EncryptedColumn(orders)))
    with invoices(ring, sql_engine, *columns) as made:
        with sql_engine.begin() as connection:
            values = [{"id": number, "iban": f"text {number}"} for number in range(1, 6)]
            connection.execute(made.insert(), [*values, {"id": 6, "iban": None}])
        odd = {7: ring.key(orders).encrypt(b"of another place", aad=b""), 8: NOT_A_CIPHERTEXT}
        ring.rotate(orders)
        with sql_engine.begin() as connection:
            raw = sa.table(made.name, sa.column("id"), sa.column("iban", sa.LargeBinary()))
            connection.execute(raw.insert(), [{"id": number, "iban": blob} for number, blob in odd.items()])
            connection.execute(made.insert().values(id=9, iban="text 9"))
        yield made


def old(ring: KeyRing, blobs: dict[Any, bytes]) -> list[Any]:
    """Return the ids of rows that a full scan finds under an old version."""
    found = [key for key, blob in blobs.items() if blob and blob[:1] == b"\1" and not ring.inspect(blob).is_live]
    return sorted(found)


def test_the_command_replaces_what_opens_and_names_what_does_not(
    *, table: sa.Table, ring: KeyRing, orders: str, root: tuple[str, str], database: Database, sql_engine: sa.Engine
) -> None:
    before = stored(database, table)
    dry = reencrypt(database, table, orders, "--dry-run")
    assert (dry.status, dry.out) == (0, f"{_shown(database, table)}: {len(old(ring, before))} to replace\n")
    assert stored(database, table) == before
    said = reencrypt(database, table, orders, *root, "--batch", "2")
    assert (said.status, said.out) == (1, f"{_shown(database, table)}: 5 replaced, 0 tried again, 1 left\n")
    assert "does not open: id=7" in said.err
    assert "give --row NAME (--row NAME:uuid if" in said.err
    assert "CREATE INDEX" in said.err
    assert ("at most 2,704 bytes" in said.err) == (database.dialect == "postgresql")
    after = stored(database, table)
    assert old(ring, after) == [7]
    quiet = reencrypt(database, table, orders, *root, "-q").err
    assert ("give --row NAME" in quiet, "CREATE INDEX" in quiet) == (True, False)
    assert {key for key in after if after[key] != before[key]} == {1, 2, 3, 4, 5}
    for shown in (before[7], NOT_A_CIPHERTEXT):
        assert repr(shown)[2:-1] not in said.all
    with sql_engine.begin() as connection:
        connection.execute(table.delete().where(table.c.id.in_([7, 8])))
        texts = connection.execute(sa.select(table.c.iban).order_by(table.c.id)).scalars().all()
        assert texts == [*(f"text {number}" for number in range(1, 6)), None, "text 9"]
        connection.execute(sa.text(f"CREATE INDEX {table.name}_iban ON {table.name} (iban)"))
    longer = "x" * 2700
    refused = pytest.raises(sa.exc.OperationalError, match="maximum 2704") if said.err.count("2,704") else nullcontext()
    with refused, sql_engine.begin() as connection:
        connection.execute(table.insert().values(id=10, iban=longer))
    again = reencrypt(database, table, orders, *root, "--below", "2", "--format", "json")
    assert (again.status, json.loads(again.out)["index"]) == (0, None)
    for words in (("no-such-table.iban",), (f"{table.name}.nothing",)):
        missing = kms_schema("reencrypt", *words, "--key", orders, url=database.url)
        assert (missing.status, "there is no table" in missing.error or "has no column" in missing.error) == (1, True)
    assert kms_schema("reencrypt", "iban", "--key", orders, url=database.url).status == 2


def test_a_stream_is_named_and_left(
    *, table: sa.Table, ring: KeyRing, orders: str, root: tuple[str, str], database: Database, sql_engine: sa.Engine
) -> None:
    raw = sa.table(table.name, sa.column("id"), sa.column("iban", sa.LargeBinary()))
    with sql_engine.begin() as connection:
        connection.execute(table.delete())
    assert reencrypt(database, table, orders, *root).status == 0
    blob = b"".join(ring.key(orders).encrypt_stream(io.BytesIO(b"DE89 3704"), aad=b"row/1"))
    with sql_engine.begin() as connection:
        connection.execute(raw.insert(), [{"id": 1, "iban": blob}])
    assert reencrypt(database, table, orders, *root).status == 0  # of the live version
    ring.rotate(orders)
    for words, status, out in ((("--dry-run",), 0, "0 to replace"), ((), 1, "0 replaced, 0 tried again, 1 left")):
        said = reencrypt(database, table, orders, *root, *words)
        assert (said.status, said.out) == (status, f"{_shown(database, table)}: {out}\n")
        assert "is a stream, which this does not replace: id=1" in said.err
    assert stored(database, table) == {1: blob}
    job = ring.reencrypt_column(f"{table.name}.iban", orders)
    assert (job.rows, job.left, job.streams) == (0, 1, ["id=1"])


def _shown(database: Database, table: sa.Table) -> str:
    return f"public.{table.name}.iban" if database.dialect == "postgresql" else f"{table.name}.iban"


def test_a_row_that_others_change_is_tried_again(
    *,
    table: sa.Table,
    ring: KeyRing,
    orders: str,
    database: Database,
    sql_engine: sa.Engine,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    replace, meanwhile = Job._replace, ExitStack()

    def interrupted(job: Job, changes: Any) -> int:
        if not meanwhile._exit_callbacks:  # type: ignore[attr-defined]
            stale = ring.key(orders).encrypt(b"newer", aad=bound_data(table.name, "iban"))
            change(database, f"UPDATE {table.name} SET iban = :blob WHERE id = 2", blob=stale)  # noqa: S608
            change(database, f"DELETE FROM {table.name} WHERE id = 3")  # noqa: S608
            meanwhile.callback(lambda: None)
            if database.dialect == "postgresql":
                # A run that waits for this lock goes on when the server ends this session, and the test fails.
                meanwhile.enter_context(suppress(sa.exc.DBAPIError))
                other = meanwhile.enter_context(sql_engine.connect())
                other.execute(sa.text("SET LOCAL idle_in_transaction_session_timeout = '10s'"))
                other.execute(sa.text(f"SELECT 1 FROM {table.name} WHERE id = 4 FOR UPDATE"))  # noqa: S608
        else:
            meanwhile.close()
        return replace(job, changes)

    monkeypatch.setattr(Job, "_replace", interrupted)
    with meanwhile:  # else the lock would stay where the run ends before
        done = ring.reencrypt_column(table.c.iban)
    is_locked = database.dialect == "postgresql"
    assert (done.replaced, done.tried_again, done.left) == ((3, 3, 1) if is_locked else (3, 2, 1))
    with sql_engine.begin() as connection:
        found = connection.execute(sa.select(table.c.id, table.c.iban).where(table.c.id < 6).order_by(table.c.id)).all()
    assert found == [(1, "text 1"), (2, "newer"), (4, "text 4"), (5, "text 5")]


def test_composite_keys_and_bound_rows(
    ring: KeyRing, orders: str, root: tuple[str, str], database: Database, sql_engine: sa.Engine
) -> None:
    moment, owner = dt.datetime(2026, 10, 25, 2, 30, tzinfo=dt.UTC), uuid.UUID(int=7)
    columns = (
        sa.Column("tenant", sa.String(9), primary_key=True),
        sa.Column("at", sa.DateTime(timezone=True), primary_key=True),
        sa.Column("owner", sa.Uuid),
        sa.Column("iban", sa.LargeBinary),
    )
    with invoices(ring, sql_engine, *columns) as table:
        aad = bound_data(table.name, "iban", {"tenant": "a'b", "owner": owner})
        keys = [("a'b", moment + dt.timedelta(hours=hours)) for hours in range(5)]
        with sql_engine.begin() as connection:
            for tenant, at in keys:
                blob = ring.key(orders).encrypt(f"{at}".encode(), aad=aad)
                connection.execute(table.insert().values(tenant=tenant, at=at, owner=owner, iban=blob))
        ring.rotate(orders)
        words = ("--row", "tenant", "--row", "owner:uuid", "--batch", "2", *root)
        assert reencrypt(database, table, orders, *words).status == 0
        with sql_engine.begin() as connection:
            for found in connection.execute(sa.select(table)):
                assert ring.inspect(found.iban).is_live
                text = ring.key(orders).decrypt(found.iban, aad=aad).decode()
                assert text.startswith(f"{found.at:%Y-%m-%d %H:%M}"[:13]) or found.at.utcoffset()


HOST_TRIGGERS = {
    "postgresql": (
        "CREATE FUNCTION {t}_f() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN NEW.iban = OLD.iban; RETURN NEW; END $$",
        "CREATE TRIGGER t BEFORE UPDATE ON {t} FOR EACH ROW EXECUTE FUNCTION {t}_f()",
    ),
    "sqlite": (
        "CREATE TRIGGER {t}_t AFTER UPDATE ON {t} WHEN NEW.iban <> x'00'"
        " BEGIN UPDATE {t} SET iban = x'00' WHERE id = NEW.id; END",
    ),
}


def test_tables_that_do_not_allow_it_are_refused_and_unchanged(
    table: sa.Table, ring: KeyRing, orders: str, database: Database
) -> None:
    before = stored(database, table)
    for statement in HOST_TRIGGERS[database.dialect]:
        change(database, statement.replace("{t}", table.name))
    with raises(ColumnError, "host", match=r"row with id=1 does not have the new ciphertext.*trigger"):
        ring.reencrypt_column(table.c.iban)
    assert stored(database, table) == before
    name = f"{table.name}_other"
    stored_as = "bytea" if database.dialect == "postgresql" else "BLOB"
    change(database, f"CREATE TABLE {name} (iban {stored_as})")
    with raises(ColumnError, "host", match="no primary key"):
        ring.reencrypt_column(f"{name}.iban", orders)
    change(database, f"DROP TABLE {name}")
    change(
        database,
        f"CREATE TABLE {name} (id int PRIMARY KEY, iban {stored_as},"
        f" made {stored_as} GENERATED ALWAYS AS (iban) STORED)",
    )
    with raises(ColumnError, "host", match="generated"):
        ring.reencrypt_column(f"{name}.made", orders)
    change(database, f"DROP TABLE {name}")


@pytest.mark.only_on("postgresql")
def test_an_application_needs_select_and_update_on_the_column(
    granted: Granted, roots: Any, table: sa.Table, orders: str, database: Database
) -> None:
    app = granted.prefix + Role.APP
    with ring_as(granted, roots, (Role.APP,)) as seen:
        change(database, f'GRANT SELECT (id, iban) ON {table.name} TO "{app}"')
        with pytest.raises(KeyNotPermittedError, match="update the column"):
            seen.reencrypt_column(f"{table.name}.iban", orders)
        change(database, f'GRANT UPDATE (iban) ON {table.name} TO "{app}"')
        assert seen.reencrypt_column(f"{table.name}.iban", orders).replaced == 5
