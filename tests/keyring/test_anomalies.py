"""Anomalies of what key rings write: the entries of their uses are ordinary, opening a revoked key is not."""

import datetime as dt
from contextlib import closing

import pytest

from kms_schema.audit import Anomaly, find_anomalies
from kms_schema.keyring import KeyRevokedError
from support.engines import Database
from tests.keyring.conftest import MakeRing
from tests.keyring.rings import AAD, DATA


def found(database: Database) -> list[Anomaly]:
    with closing(database.connect()) as connection:
        return find_anomalies(connection, dt.datetime.now(dt.UTC) - dt.timedelta(hours=1))


def test_a_life_of_a_key_has_no_anomaly_until_it_opens_after_its_end(
    make_ring: MakeRing, orders: str, database: Database
) -> None:
    ring = make_ring()
    blob = ring.key(orders).encrypt(DATA, aad=AAD)
    ring.rotate(orders, actor="alice")
    assert ring.key(orders).decrypt(blob, aad=AAD) == DATA
    ring.key(orders).encrypt(DATA, aad=AAD)
    ring.revoke(orders, reason="leaked")
    with pytest.raises(KeyRevokedError):
        ring.key(orders).decrypt(blob, aad=AAD)
    ring.close()
    assert found(database) == []
    make_ring().revoked_key(orders, reason="move the data", actor="alice").close()
    (anomaly,) = found(database)
    assert (anomaly.rule, anomaly.key_id, anomaly.entry_count) == ("ended-key-used", orders, 1)
    assert anomaly.summary.endswith(f" for alice opened the revoked key {orders}")
