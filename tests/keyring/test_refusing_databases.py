"""Databases that only read, have no tables, are below head or discard entries: the errors are those of the ring."""

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest
import sqlalchemy as sa

from kms_schema.crypto import RootKeys
from kms_schema.keyring import DatabaseUnavailableError, DecryptionError, KeyRing
from kms_schema.keyring.handover.receiver_keys import HandoverKey
from kms_schema.keyring.use import audit_entries
from kms_schema.migrate import program
from support.engines import Database
from support.programs.commands import kms_schema
from support.rows.smallest import unique
from tests.keyring.conftest import Keys
from tests.keyring.rings import AAD, DATA, ROOT, change, entries, opened, rows

READ_ONLY = {"sqlite": "PRAGMA query_only = ON", "postgresql": "SET default_transaction_read_only = on"}


def test_a_ring_that_only_reads_decrypts_with_the_versions_that_it_has_used(
    ring: KeyRing, orders: str, database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    blob = ring.key(orders).encrypt(DATA, aad=AAD)
    monkeypatch.setattr(audit_entries, "USED_EVERY", 0.0)
    ring.key(orders).decrypt(blob, aad=AAD)
    before = len(entries(database, "KEY_USED", orders))
    only_reads(ring)
    assert ring.key(orders).decrypt(blob, aad=AAD) == DATA  # its entry is due
    with pytest.raises(DecryptionError):
        ring.key(orders).decrypt(blob, aad=b"other")
    for writing in (
        lambda: ring.rotate(orders),
        lambda: ring.revoke(orders, reason="leaked"),
        lambda: [ring.key(orders).encrypt(DATA, aad=AAD) for _ in range(9)],  # more than is reserved
    ):
        with pytest.raises(DatabaseUnavailableError, match=r"read-?only") as caught:
            writing()
        assert caught.value.key_id == orders
    assert len(entries(database, "KEY_USED", orders)) == before


def only_reads(ring: KeyRing) -> None:
    """The ring has new connections, to a database that only reads."""

    def checked_out(connection: Any, _record: object, _proxy: object) -> None:
        connection.execute(READ_ONLY[ring._parts.storage.dialect])
        connection.commit()

    for engine in set(ring._parts.storage._own):
        engine.dispose()
        sa.event.listen(engine, "checkout", checked_out)


@pytest.mark.only_on("postgresql")
def test_the_drivers_of_asyncio_have_the_same_error(
    orders: str, database: Database, roots: RootKeys, driver: str
) -> None:
    name = "default_transaction_read_only"
    given: dict[str, Any] = {"asyncpg": {"server_settings": {name: "on"}}, "psycopg": {"options": f"-c {name}=on"}}

    async def work() -> None:
        async with opened(database, roots, driver, connect_args=given[driver]) as (own, _):
            with pytest.raises((DatabaseUnavailableError, sa.exc.DBAPIError), match="read-only transaction") as caught:
                await own.key(orders).encrypt(DATA, aad=AAD)
            assert isinstance(caught.value, DatabaseUnavailableError)

    asyncio.run(work())


@pytest.mark.only_on("postgresql")
def test_a_command_says_what_to_do(orders: str, database: Database, keys: Keys, root: tuple[str, str]) -> None:
    url = sa.make_url(database.url).update_query_dict({"options": "-c default_transaction_read_only=on"})
    said = keys("rotate", orders, *root, url=url.render_as_string(hide_password=False))
    assert said.status != 0
    assert "connect to a server that writes" in said.all


def test_a_database_without_the_tables(empty_database: Database, roots: RootKeys) -> None:
    engine = empty_database.engine()
    with KeyRing(engine, roots) as ring, pytest.raises(DatabaseUnavailableError, match="key_masters"):
        ring.key("orders").encrypt(DATA, aad=AAD)
    engine.dispose()


def test_nothing_is_opened_without_its_entry(ring: KeyRing, orders: str, database: Database) -> None:
    """A trigger or a rule of an owner can discard a row without an error."""
    key, revoked = HandoverKey.generate(), unique("revoked")
    ring.create(revoked, under=ROOT)
    ring.revoke(revoked, reason="leaked")
    with entries_discarded(database):
        for opening in (
            lambda: ring.hand_over(orders, to=key.public),
            lambda: ring.revoked_key(revoked, reason="incident 4711"),
        ):
            with pytest.raises(DatabaseUnavailableError, match="discards entries of the audit log"):
                opening()
    assert ring.hand_over(orders, to=key.public).header.key_id == orders


@contextmanager
def entries_discarded(database: Database) -> Iterator[None]:
    """Have the database discard the entries of handovers and of opened keys, without an error."""
    discarded = "NEW.event_type IN ('KEY_HANDOVER_STARTED', 'REVOKED_KEY_OPENED')"
    trigger = f"CREATE TRIGGER a_first BEFORE INSERT ON key_audit_logs {{}} WHEN ({discarded})"
    on_sqlite = database.dialect == "sqlite"
    if on_sqlite:
        change(database, f"{trigger.format('')} BEGIN SELECT RAISE(IGNORE); END")
    else:
        change(database, "CREATE FUNCTION discard() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NULL; END'")
        change(database, f"{trigger.format('FOR EACH ROW')} EXECUTE FUNCTION discard()")
    try:
        yield
    finally:
        change(database, "DROP TRIGGER a_first" if on_sqlite else "DROP FUNCTION discard CASCADE")


@pytest.mark.full_on("postgresql")  # it goes down and up again
def test_no_key_is_written_below_head(empty_database: Database, roots: RootKeys, root: tuple[str, str]) -> None:
    below = program.history()[-2].revision

    def refused(*words: str) -> bool:
        said = kms_schema(*words, url=empty_database.url)
        return said.status == 3 and "run kms-schema upgrade first" in said.error

    assert kms_schema("upgrade", below, url=empty_database.url).status == 0
    assert refused("keys", "create", "kek", "--type", "kek", "--under", ROOT, *root)
    assert rows(empty_database, "SELECT 1 FROM key_masters") == []
    assert kms_schema("upgrade", url=empty_database.url).status == 0
    engine = empty_database.engine()
    with KeyRing(engine, roots) as ring:
        ring.create("kek", under=ROOT, key_type="kek")
        ring.create("orders", under="kek")
    assert kms_schema("downgrade", below, url=empty_database.url).status == 0
    with KeyRing(engine, roots) as ring:
        for change in (ring.rotate, ring.expire, ring.activate):
            with pytest.raises(DatabaseUnavailableError, match="run kms-schema upgrade first"):
                change("orders")
        assert ring.key("orders").decrypt(ring.key("orders").encrypt(DATA, aad=AAD), aad=AAD) == DATA
    engine.dispose()
    assert refused("rewrap", "--from", ROOT, "--to", "kek", *root)
    assert refused("destroy-version", "orders", "1", "--yes")
    revoked = kms_schema("keys", "revoke", "orders", "--reason", "leaked", "--now", url=empty_database.url)
    assert revoked.status == 0, revoked.all  # a revocation is more urgent than its entry
