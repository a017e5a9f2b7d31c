"""A version of a data key is destroyed only if no column holds a ciphertext of it, by all that is known."""

import datetime as dt
import io
import threading
from collections.abc import Callable, Iterator

import pytest
import sqlalchemy as sa
from sqlalchemy.orm import Session

from kms_schema.crypto import RootKeys
from kms_schema.crypto import destroy as destroy_version
from kms_schema.keyring import ColumnError, EncryptedColumn, KeyInUseError, KeyRing
from kms_schema.keyring.lifecycle import version_destruction
from kms_schema.models import KeyMaster, KeyVersion
from kms_schema.roles.definition import Role
from support.engines import Database
from support.errors import raises
from support.programs.commands import Said, kms_schema
from support.rows.smallest import now, unique
from tests.keyring.invoices import invoices
from tests.keyring.rings import change, ring_as, rows
from tests.roles.granted import Granted

Destroy = Callable[..., Said]


@pytest.fixture
def table(ring: KeyRing, sql_engine: sa.Engine, orders: str) -> Iterator[sa.Table]:
    columns = (
        sa.Column("id", sa.Integer, primary_key=True), sa.Column("iban", EncryptedColumn(orders)),
        sa.Column("raw", sa.LargeBinary),
    )  # fmt: skip
    with invoices(ring, sql_engine, *columns) as made:
        yield made


@pytest.fixture
def orders(ring: KeyRing, kek: str) -> str:
    """The name of a data key that is in use since three days."""
    name = unique("orders")
    ring.create(name, under=kek, activated_at=now() - dt.timedelta(days=3))
    return name


@pytest.fixture
def destroy(database: Database, orders: str) -> Destroy:
    def run(*words: str) -> Said:
        return kms_schema("destroy-version", orders, "1", "--yes", *words, url=database.url)

    return run


class Terminal(io.StringIO):
    """A standard input that could be asked, and answers what it has."""

    def isatty(self) -> bool:
        return True


def rotate(ring: KeyRing, database: Database, key: str) -> None:
    """End version 1, two days ago."""
    ring.rotate(key)
    ended = (now() - dt.timedelta(days=2)).isoformat().replace("+00:00", "Z")
    of_key = "key_id = (SELECT id FROM key_masters WHERE key_id = :key) AND version_number = 1"
    change(database, f"UPDATE key_versions SET deactivated_at = :ended WHERE {of_key}", ended=ended, key=key)  # noqa: S608


def test_a_version_is_destroyed_when_nothing_is_left(
    *,
    ring: KeyRing,
    table: sa.Table,
    orders: str,
    destroy: Destroy,
    database: Database,
    sql_engine: sa.Engine,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    with sql_engine.begin() as connection:
        connection.execute(table.insert().values(id=1, iban="text", raw=ring.key(orders).encrypt(b"raw", aad=b"")))
    rotate(ring, database, orders)
    raw = ("--check", f"{table.name}.raw")
    monkeypatch.setattr("sys.stdin", Terminal())
    asked = kms_schema("destroy-version", orders, "1", *raw, url=database.url)
    assert (asked.status, "still has 2 ciphertexts" in asked.error, "Destroy version" in asked.all) == (1, True, False)
    assert "still has 2 ciphertexts" in destroy(*raw).error
    assert ring.reencrypt_column(table.c.iban).left == 0
    assert "still has 1 ciphertext " in destroy(*raw).error
    assert "cannot be counted" in destroy("--check", f"{table.name}.nothing").error
    refused = destroy("--check", "raw")
    assert (refused.status, "TABLE.COLUMN" in refused.error) == (2, True)
    change(database, f"UPDATE {table.name} SET raw = NULL")  # noqa: S608
    said = destroy(*raw)
    assert (said.status, said.out) == (0, f"version 1 of key '{orders}' is destroyed\n")
    ring.rotate(orders)
    said = kms_schema("destroy-version", orders, "2", "--yes", url=database.url)
    assert (said.status, "ended less than 24 hours ago" in said.error) == (1, True)


def test_a_key_without_columns_that_are_known(ring: KeyRing, orders: str, destroy: Destroy, database: Database) -> None:
    rotate(ring, database, orders)
    said = destroy()
    assert (said.status, "no column is stored with the key" in said.error) == (1, True)
    assert destroy("--erase-data").status == 0


def test_a_person_is_asked_and_only_a_yes_destroys(
    ring: KeyRing, orders: str, database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    rotate(ring, database, orders)
    for answer, status, is_destroyed in (("n\n", 130, False), ("\n", 130, False), ("", 130, False), ("y\n", 0, True)):
        monkeypatch.setattr("sys.stdin", Terminal(answer))
        said = kms_schema("destroy-version", orders, "1", "--erase-data", url=database.url)
        shown = (said.status, f"version 1 of key '{orders}' is destroyed" in said.out)
        assert (*shown, f"Destroy version 1 of key '{orders}'?" in said.err) == (status, is_destroyed, True), answer


def test_a_pipe_says_no_yes(ring: KeyRing, orders: str, database: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    rotate(ring, database, orders)
    monkeypatch.setattr("sys.stdin", io.StringIO("y\n"))
    said = kms_schema("destroy-version", orders, "1", "--erase-data", url=database.url)
    assert (said.status, "use --yes" in said.err) == (2, True)


def test_a_key_that_has_encrypted_for_a_caller(
    *, ring: KeyRing, table: sa.Table, orders: str, destroy: Destroy, database: Database, sql_engine: sa.Engine
) -> None:
    """The ciphertext may be in a file: its version is not destroyed because the stored columns hold none."""
    with sql_engine.begin() as connection:
        connection.execute(table.insert().values(id=1, iban="text"))
    file = ring.key(orders).encrypt(b"a file", aad=b"")
    rotate(ring, database, orders)
    assert ring.reencrypt_column(table.c.iban).left == 0
    stop, said = threading.Event(), list[str]()
    threading.Timer(0.5, stop.set).start()
    done = ring.run_rotations(
        worker="night-1", once=False, interval=0.1, stop=stop, destroy_after=dt.timedelta(days=1), report=said.append
    )
    assert (done.destroyed, [orders in each for each in said]) == (0, [True])
    refused = destroy()
    assert (refused.status, "--check" in refused.error) == (1, True)
    assert ring.key(orders).decrypt(file, aad=b"") == b"a file"
    assert destroy("--check", f"{table.name}.raw").status == 0


@pytest.mark.only_on("postgresql")
def test_nobody_inserts_between_the_count_and_the_destruction(
    *, ring: KeyRing, table: sa.Table, orders: str, database: Database, sql_engine: sa.Engine,
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    with sql_engine.begin() as connection:
        connection.execute(table.insert().values(id=1, iban="text"))
        stale = connection.execute(sa.text(f"DELETE FROM {table.name} RETURNING iban")).scalar_one()  # noqa: S608
    rotate(ring, database, orders)
    monkeypatch.setattr(version_destruction, "LEAST", dt.timedelta(0))
    with sql_engine.connect() as old:
        old.execute(sa.text("SELECT 1"))
        with pytest.raises(KeyInUseError, match="used by a transaction that was open when it ended"):
            destroy_version(sql_engine, orders, 1, check=version_destruction.refuse_data_loss)

    def check(session: Session, version: KeyVersion) -> None:
        version_destruction.refuse_data_loss(session, version)
        with sql_engine.begin() as writing:
            writing.execute(sa.text("SET LOCAL lock_timeout = '100ms'"))
            insert = sa.text(f"INSERT INTO {table.name} (id, iban) VALUES (2, :stale)")  # noqa: S608
            with pytest.raises(sa.exc.OperationalError, match="lock timeout"):
                writing.execute(insert, {"stale": stale})

    assert destroy_version(sql_engine, orders, 1, check=check).version_number == 1


def test_streams_and_encoded_ciphertexts_are_ciphertexts(
    *, ring: KeyRing, table: sa.Table, orders: str, destroy: Destroy, database: Database, sql_engine: sa.Engine
) -> None:
    change(database, f"ALTER TABLE {table.name} ADD COLUMN encoded text")
    stream = b"".join(ring.key(orders).encrypt_stream(io.BytesIO(b"a document"), aad=b""))
    with sql_engine.begin() as connection:
        connection.execute(table.insert().values(id=1, raw=stream))
    encoded = ring.key(orders).encrypt(b"text", aad=b"").hex()
    change(database, f"UPDATE {table.name} SET encoded = '{encoded}'")  # noqa: S608
    rotate(ring, database, orders)
    assert "still has 1 ciphertext " in destroy("--check", f"{table.name}.raw").error
    assert ("no bytes" if database.dialect == "sqlite" else "the type bytea") in destroy(
        "--check", f"{table.name}.encoded"
    ).error


def test_re_encrypting_with_another_key_declares_the_column(
    *, ring: KeyRing, table: sa.Table, kek: str, database: Database, sql_engine: sa.Engine
) -> None:
    with sql_engine.begin() as connection:
        connection.execute(table.insert().values(id=1, iban="text"))
    ring.create(other := unique("other"), under=kek, activated_at=now() - dt.timedelta(days=3))
    assert ring.reencrypt_column(table.c.iban, to=other).replaced == 1
    rotate(ring, database, other)
    said = kms_schema("destroy-version", other, "1", "--yes", url=database.url)
    assert "still has 1 ciphertext " in said.error
    with pytest.raises(KeyInUseError, match=table.name):
        ring.revoke(other, reason="leaked")


@pytest.mark.only_on("sqlite")
def test_a_column_of_an_attached_database_is_refused(ring: KeyRing, orders: str, sql_engine: sa.Engine) -> None:
    column = sa.Column("iban", EncryptedColumn(orders))
    table = sa.Table("invoices", sa.MetaData(), sa.Column("id", sa.Integer, primary_key=True), column, schema="beside")
    ring.attach(table.metadata)
    with sql_engine.connect() as connection:
        connection.exec_driver_sql("ATTACH DATABASE ':memory:' AS beside")
        table.create(connection)
        with raises(ColumnError, "host", match="attached database"):
            connection.execute(table.insert().values(id=1, iban="text"))
        connection.invalidate()


@pytest.mark.only_on("postgresql")
def test_no_row_is_hidden_from_the_count(
    *, ring: KeyRing, table: sa.Table, orders: str, destroy: Destroy, database: Database, sql_engine: sa.Engine,
    granted: Granted, roots: RootKeys,
) -> None:  # fmt: skip
    schema = unique("tenant").replace("-", "_")
    change(database, f"CREATE SCHEMA {schema}")
    tenant = sql_engine.execution_options(schema_translate_map={None: schema})
    table.create(tenant)
    with tenant.begin() as connection:  # the ring declares the table that it finds, which is the one in `public`
        connection.execute(table.insert().values(id=1, iban="text"))
    rotate(ring, database, orders)
    assert "still has 1 ciphertext " in destroy().error
    with pytest.raises(KeyInUseError, match=f"{schema}.{table.name}.iban still holds"):
        ring.revoke(orders, reason="leaked")
    view = f"CREATE VIEW {schema}.seen AS SELECT iban FROM {schema}.{table.name} WHERE id > 1"  # noqa: S608
    change(database, view)
    assert "not a column of a table" in destroy("--check", f"{schema}.seen.iban").error
    rotator = granted.prefix + Role.ROTATOR
    change(database, f'GRANT USAGE ON SCHEMA {schema} TO "{rotator}"')
    for name in (f"public.{table.name}", f"{schema}.{table.name}"):
        change(database, f'GRANT SELECT, UPDATE ON {name} TO "{rotator}"')
        change(database, f"ALTER TABLE {name} ENABLE ROW LEVEL SECURITY")
    with ring_as(granted, roots, (Role.ROTATOR,)) as own:
        with pytest.raises(
            KeyInUseError, match=r"row-level security of .* hides rows from .* use a login with BYPASSRLS"
        ):
            own.revoke(orders, reason="leaked")
        engine = own._parts.storage.writers
        with Session(engine) as session:
            version = sa.select(KeyVersion.id).join(KeyVersion.key).where(KeyVersion.version_number == 1)
            found = session.scalars(version.where(KeyMaster.key_id == orders)).one()
            with raises(ColumnError, "host", match="row-level security"):
                version_destruction.count_ciphertexts(session, found)
    change(database, f"DROP SCHEMA {schema} CASCADE")


@pytest.mark.only_on("postgresql")
def test_no_function_of_the_application_runs_as_the_role_that_looks(
    *, table: sa.Table, orders: str, database: Database, sql_engine: sa.Engine, granted: Granted, roots: RootKeys
) -> None:
    with sql_engine.begin() as connection:
        connection.execute(table.insert().values(id=2, iban="text"))
        connection.execute(table.delete())
    schema, app = unique("app").replace("-", "_"), granted.prefix + Role.APP
    change(database, f"CREATE SCHEMA {schema}")
    change(database, f"CREATE TABLE {schema}.ran AS SELECT current_user AS login WHERE false")
    change(database, f"GRANT ALL ON SCHEMA {schema} TO PUBLIC; GRANT ALL ON {schema}.ran TO PUBLIC")
    body = f"LANGUAGE plpgsql AS 'BEGIN INSERT INTO {schema}.ran VALUES (current_user); RETURN 1; END'"  # noqa: S608
    change(database, f"CREATE FUNCTION {schema}.write() RETURNS integer {body}")
    body = f"IMMUTABLE LANGUAGE plpgsql AS 'BEGIN RETURN (SELECT {schema}.write()); END'"
    change(database, f"CREATE FUNCTION {schema}.one(integer) RETURNS integer {body}")
    change(database, f'ALTER FUNCTION {schema}.one OWNER TO "{app}"')
    change(database, f"CREATE INDEX ON {table.name} (id) WHERE {schema}.one(1) = 1")
    change(database, f"DELETE FROM {schema}.ran")  # noqa: S608
    change(database, f'GRANT SELECT ON {table.name} TO "{granted.prefix + Role.ROTATOR}"')
    with ring_as(granted, roots, (Role.ROTATOR,)) as own:
        with pytest.raises(KeyInUseError, match="a function of another role"):
            own.revoke(orders, reason="leaked")
        assert rows(database, f"SELECT * FROM {schema}.ran") == []  # noqa: S608
        own.revoke(orders, reason="leaked", now=True)
    change(database, f"DROP SCHEMA {schema} CASCADE")
