"""A database that only reads, as a standby does, or that has no tables: the errors are those of the ring."""

import asyncio
from typing import Any

import pytest
import sqlalchemy as sa

from kms_schema.crypto import RootKeys
from kms_schema.keyring import DatabaseUnavailableError, DecryptionError, KeyRing
from kms_schema.keyring.use import tallies
from support.engines import Database
from tests.keyring.async_rings import opened
from tests.keyring.conftest import Keys
from tests.keyring.rings import AAD, DATA, entries

READ_ONLY = {"sqlite": "PRAGMA query_only = ON", "postgresql": "SET default_transaction_read_only = on"}


def test_a_ring_that_only_reads_decrypts_with_the_versions_that_it_has_used(
    ring: KeyRing, orders: str, database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    blob = ring.key(orders).encrypt(DATA, aad=AAD)
    monkeypatch.setattr(tallies, "USED_EVERY", 0.0)
    ring.key(orders).decrypt(blob, aad=AAD)
    before = len(entries(database, "KEY_USED", orders))
    only_reads(ring)
    assert ring.key(orders).decrypt(blob, aad=AAD) == DATA  # its entry is due
    with pytest.raises(DecryptionError):
        ring.key(orders).decrypt(blob, aad=b"other")
    for change in (
        lambda: ring.rotate(orders),
        lambda: ring.revoke(orders, reason="leaked"),
        lambda: [ring.key(orders).encrypt(DATA, aad=AAD) for _ in range(9)],  # more than is reserved
    ):
        with pytest.raises(DatabaseUnavailableError, match=r"read-?only") as caught:
            change()
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
