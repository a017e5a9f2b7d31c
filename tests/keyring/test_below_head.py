"""On a database below head, commands and the ring write no keys: nothing would record them."""

import pytest

from kms_schema.crypto import RootKeys
from kms_schema.keyring import DatabaseUnavailableError, KeyRing
from kms_schema.migrate import program
from support.engines import Database
from support.programs.commands import kms_schema
from tests.keyring.rings import AAD, DATA, ROOT, rows


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
