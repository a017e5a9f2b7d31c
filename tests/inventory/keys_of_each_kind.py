"""A database with keys in each state, custody and depth of wrapping."""

import datetime as dt
import secrets
from contextlib import closing
from typing import Any

from support.engines import Database
from support.engines.database import Connection
from support.rows import smallest
from support.rows.smallest import Row, insert
from support.statements import execute
from tests.audit.trails import seal_all

HOUR = dt.timedelta(hours=1)
ROOT = "kms://root-2026"
SECRET_NAMES = ("orders", "kek-upper", "root-2026", "vault-3", "reports", "hsm.example", "leaked by mallory", "=1+2")
"""Names that a document without names does not have."""
STATUSES = {
    "expired": ["expired"],
    "rotated": ["rotated"],
    "revoked": ["revoked"],
    "archived": ["rotated", "archived"],
    "buried": ["revoked", "archived"],
}
"""The statuses that a key goes through after `active`, by its name."""


def fill(database: Database) -> None:
    """Add the keys, and seal what that has written."""
    with closing(database.connect()) as connection:
        upper = _version(connection, _key(connection, "kek-upper", key_type="kek", algorithm="AES-256"))
        kek = _key(connection, "kek-lower", key_type="kek", algorithm="AES-128", key_size_bits=128)
        _orders(connection, _version(connection, kek, wrapped_by_version_id=upper["id"]))
        insert(connection, "key_masters", **smallest.key_master(key_id="empty", created_at=_ago(5)))
        _version(connection, _key(connection, "past", expires_at=_ago(1)))
        for name, statuses in STATUSES.items():
            _version(connection, _key(connection, name))
            for status in statuses:
                change = "UPDATE key_masters SET status = :status, status_reason = :reason WHERE key_id = :name"
                execute(
                    connection,
                    change,
                    {"status": status, "reason": " \N{FULLWIDTH EQUALS SIGN}leaked by mallory", "name": name},
                )
        _key_in_an_hsm(connection)
        _version(connection, _key(connection, "=1+2", key_type="tls", algorithm="RSA-2048", key_size_bits=9728))
        seal_all(connection)


def _orders(connection: Connection, wrapper: Row) -> None:
    columns = [{"table": "reports", "column": "iban"}]
    if connection.__class__.__module__.startswith("psycopg"):
        columns[0]["schema"] = "app"
    key = _key(connection, "orders", encrypted_columns=columns, algorithm="AES-256-GCM")
    ends = {"activated_at": _ago(4), "deactivated_at": _ago(3), "destroyed_at": _ago(1)}
    insert(connection, "key_versions", key_id=key["id"], version_number=1, created_at=_ago(5), **ends)
    _version(connection, key, 2, activated_at=_ago(3), deactivated_at=_ago(2))
    _version(connection, key, 3, activated_at=_ago(2), wrapped_by_version_id=wrapper["id"])
    _version(connection, key, 4, activated_at=None)


def _key_in_an_hsm(connection: Connection) -> None:
    hsm = smallest.hsm_configuration(
        provider="thales_luna", configuration_name="vault-3", endpoint_url="https://hsm.example",
        authentication_config=b"\x01" + secrets.token_bytes(40), wrapping_key_ref=ROOT,
    )  # fmt: skip
    insert(connection, "hsm_configurations", **hsm)
    of_hsm = {"key_type": "hsm", "hsm_provider": "thales_luna", "hsm_key_id": "vault-3/cards"}
    key = _key(connection, "cards", algorithm="AES-256-GCM", **of_hsm)
    _version(connection, key, hsm_key_id=f"vault-3/{'0f' * 16}")


def _key(connection: Connection, name: str, **values: Any) -> Row:
    given = {"status": "active", "created_at": _ago(5), "activated_at": _ago(4)}
    return insert(connection, "key_masters", **smallest.key_master(key_id=name, **given | values))


def _version(connection: Connection, key: Row, number: int = 1, **values: Any) -> Row:
    given: dict[str, Any] = {"version_number": number, "created_at": _ago(5), "activated_at": _ago(4)}
    row = smallest.key_version(key, **given | values)
    if row.get("wrapping_key_ref") is not None:
        row["wrapping_key_ref"] = ROOT
    return insert(connection, "key_versions", **row)


def _ago(hours: int) -> dt.datetime:
    return smallest.now() - hours * HOUR
