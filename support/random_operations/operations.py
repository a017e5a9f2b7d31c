"""Random operations on the six tables, legal and illegal, about few rows, so that they meet.

Each function draws one operation that suits `contents`, the rows that are there. Times are long past or far off, so
that no clock decides what happens; ids come from a small pool, so that they collide.
"""

import datetime as dt
import uuid
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

from hypothesis import strategies as st
from hypothesis.strategies import DataObject

from kms_schema.vocabulary import KEY_LIFECYCLE, KEY_STATUS_TIME, KeyStatus, KeyType
from support.rows.smallest import Row
from support.rows.table_dump import TableDump

PAST = tuple(dt.datetime(year, 1, 1, tzinfo=dt.UTC) for year in (2001, 2002, 2003))
FUTURE = tuple(dt.datetime(year, 1, 1, tzinfo=dt.UTC) for year in (2101, 2102))
TIMES = PAST + FUTURE
BY_DEFAULT: Any = object()
"""A column that the operation does not mention."""


@dataclass(frozen=True)
class Operation:
    """One statement, about one row or a few."""

    verb: Literal["INSERT", "UPDATE", "DELETE"]
    table: str
    values: Row = field(default_factory=dict)
    ids: tuple[Any, ...] = ()
    """The row of an UPDATE or DELETE."""
    id_column: str = "id"

    def statement(self, conflict: str = "") -> tuple[str, Row]:
        """Return the SQL and its parameters; `conflict` is SQLite's `OR REPLACE` and the like."""
        places = {column: f":{column}" for column in self.values}
        parameters = {**self.values, **{f"id_{number}": id_ for number, id_ in enumerate(self.ids)}}
        where = f"WHERE {self.id_column} IN ({', '.join(f':id_{number}' for number in range(len(self.ids)))})"
        match self.verb:
            case "INSERT":
                columns = ", ".join(f'"{column}"' for column in places)
                into = f"INSERT {conflict} INTO {self.table} ({columns})"
                return f"{into} VALUES ({', '.join(places.values())})", parameters
            case "UPDATE":
                assignments = ", ".join(f'"{column}" = {place}' for column, place in places.items())
                return f"UPDATE {conflict} {self.table} SET {assignments} {where}", parameters  # noqa: S608
            case "DELETE":
                return f"DELETE FROM {self.table} {where}", parameters  # noqa: S608


def inserting(table: str, **values: Any) -> Operation:
    return Operation("INSERT", table, {name: value for name, value in values.items() if value is not BY_DEFAULT})


def updating(table: str, row: Row, **values: Any) -> Operation:
    mentioned = {name: value for name, value in values.items() if value is not BY_DEFAULT}
    return Operation("UPDATE", table, mentioned, (row["id"],))


def numbered(kind: str, number: int) -> uuid.UUID:
    """Return the id that rows of one kind share from example to example."""
    return uuid.uuid5(uuid.NAMESPACE_OID, f"{kind}-{number}")


def one_of(data: DataObject, *choices: Any) -> Any:
    """Draw one of the choices; those that come first are what failures shrink to."""
    return data.draw(st.sampled_from(choices))


def seldom(data: DataObject, usual: Any, *others: Any) -> Any:
    """Draw the usual value eleven times out of twelve: an operation has many values, and should get past most rules."""
    return one_of(data, *others) if one_of(data, *[False] * 11, True) else usual


def sometimes(data: DataObject, usual: Any, *others: Any) -> Any:
    """Draw the usual value two times out of three, where the others are what a rule is about."""
    return one_of(data, *others) if one_of(data, False, False, True) else usual


def existing(data: DataObject, rows: Sequence[Row], kind: str) -> Row:
    """Draw one of the rows, or one that is not there."""
    return one_of(data, *rows) if rows else {"id": numbered(kind, 0)}


def blob(data: DataObject, bits: int) -> bytes:
    """Draw what AES-256-GCM or RFC 5649 makes of a key of `bits`, seldom something else."""
    size = (bits + 7) // 8
    length = {1: 1 + 12 + size + 16, 2: 1 + 8 + (size + 7) // 8 * 8}
    form = one_of(data, 1, 2)
    filler = one_of(data, b"\xaa", b"\xbb", b"\xcc")
    usual = bytes([form]) + filler * (length[form] - 1)
    return bytes(seldom(data, usual, filler * size, usual + filler, bytes([3]) + usual[1:], b""))


# Keys


def add_key(data: DataObject, dump: TableDump) -> Operation:
    number = data.draw(st.integers(0, 5))
    key_type = one_of(data, "kek", "dek", *seldom(data, (), tuple(KeyType), ("none",)))
    status = seldom(data, "active", *KeyStatus)
    times: Row = {}
    for time in seldom(data, [KEY_STATUS_TIME.get(KeyStatus(status))], [], [*KEY_STATUS_TIME.values()]):
        if time is not None:
            times[time] = one_of(data, *PAST)
    handle = seldom(data, None, "handle", " ") if key_type != "hsm" else seldom(data, "handle", None)
    return inserting(
        "key_masters",
        id=numbered("key", seldom(data, number, 0)),
        key_id=seldom(data, f"k{number}", "k0", " ", "k" * 65),
        key_type=key_type,
        algorithm=seldom(data, "AES-256", "\t"),
        key_size_bits=seldom(data, 256, 128, 0, -1),
        status=status,
        created_at=one_of(data, PAST[0], BY_DEFAULT),
        expires_at=seldom(data, None, PAST[1], FUTURE[0]),
        parent_key_id=_parent(data, dump),
        hsm_provider=seldom(data, "pkcs11" if handle else None, None, "unknown"),
        hsm_key_id=handle,
        usage_count=seldom(data, BY_DEFAULT, 3, -1),
        max_usage_count=seldom(data, None, 5, 0),
        compliance_tags=seldom(data, None, ["pci"], {}),
        **times,
    )


def _parent(data: DataObject, dump: TableDump) -> str | None:
    keys = [key["key_id"] for key in dump["key_masters"]]
    parent: str | None = seldom(data, None, "nobody", *keys)
    return parent


def change_key_status(data: DataObject, dump: TableDump) -> Operation:
    key = existing(data, dump["key_masters"], "key")
    following = KEY_LIFECYCLE[KeyStatus(key.get("status", "pending"))]
    status = sometimes(data, one_of(data, *following or KeyStatus), *KeyStatus)
    times = {KEY_STATUS_TIME[status]: one_of(data, *TIMES, None)} if status in KEY_STATUS_TIME else {}
    return updating("key_masters", key, status=status, **seldom(data, {}, times))


def change_key_time(data: DataObject, dump: TableDump) -> Operation:
    key = existing(data, dump["key_masters"], "key")
    return updating("key_masters", key, **{one_of(data, *KEY_STATUS_TIME.values()): one_of(data, *TIMES, None)})


def change_key(data: DataObject, dump: TableDump) -> Operation:
    key = existing(data, dump["key_masters"], "key")
    change = one_of(
        data,
        {"parent_key_id": one_of(data, "nobody", None, *(other["key_id"] for other in dump["key_masters"]))},
        {"parent_key_id": one_of(data, None, *(other["key_id"] for other in dump["key_masters"]))},
        {"hsm_provider": "pkcs11", "hsm_key_id": "handle"},
        {"hsm_provider": None, "hsm_key_id": None},
        {"hsm_provider": one_of(data, None, "unknown", "utimaco")},
        {"usage_count": data.draw(st.integers(-1, 9))},
        {"max_usage_count": one_of(data, 0, 1)},
        {"expires_at": one_of(data, *TIMES, None)},
        {"security_level": one_of(data, "MAXIMUM", "LOW")},
        {"key_size_bits": one_of(data, 128, 256)},
        {"key_type": one_of(data, *KeyType)},
        {"key_id": one_of(data, "k0", "k9")},
        {"id": numbered("key", data.draw(st.integers(0, 6)))},
        {"created_at": one_of(data, *PAST)},
        {"hsm_metadata": one_of(data, None, {}, [])},
    )
    return updating("key_masters", key, **change)


def reparent_two_keys(data: DataObject, dump: TableDump) -> Operation:
    """Draw a change of several keys at once: each must see what became of the one before."""
    keys = [*dump["key_masters"]] or [existing(data, [], "key")]
    several = data.draw(st.lists(st.sampled_from(keys), min_size=2, max_size=3))
    parent = one_of(data, None, *(key.get("key_id") for key in keys))
    return Operation("UPDATE", "key_masters", {"parent_key_id": parent}, tuple(key["id"] for key in several))


def delete_key(data: DataObject, dump: TableDump) -> Operation:
    return Operation("DELETE", "key_masters", {}, (existing(data, dump["key_masters"], "key")["id"],))
