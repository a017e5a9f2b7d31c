"""A database that discards entries without an error: nothing is opened or handed over without its entry."""

from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from kms_schema.keyring import DatabaseUnavailableError, KeyRing
from kms_schema.keyring.handover.receiver_keys import HandoverKey
from support.engines import Database
from support.rows.smallest import unique
from tests.keyring.rings import ROOT, change


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
