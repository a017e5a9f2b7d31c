"""Values that a column accepts. PostgreSQL has types; SQLite does not enforce types, so each column has a CHECK."""

import sqlite3
import time
import uuid
from typing import Any

import psycopg
import pytest

from support.rows.smallest import Row, hsm_key_master, insert, key_master, key_version
from support.shared import SharedDatabase
from support.statements import execute, refused
from tests.schema.key_rules import insert_refused, update, update_refused, value

pytestmark = pytest.mark.versions("oldest and newest")

TIME = "2024-02-29T23:59:59.123456Z"
ID = "0190a5b0c0de7abc8def0123456789ab"
JSON_TEXT = '{"format": 1, "algorithm": "AES-256-GCM", "associated_data": "k"}'
READ_AS = "read"
"""PostgreSQL takes it, as another spelling of a value that the column can hold."""
CLIENT = None
"""psycopg itself refuses it, and there is no SQLSTATE."""


# Column, what is wrong, the value, PostgreSQL's SQLSTATE.
WRONG_IN_MASTERS: list[tuple[str, str, Any, str | None]] = [
    ("key_size_bits", "text", "many", "22P02"),
    ("key_size_bits", "fraction", "256.5", "22P02"),
    ("key_size_bits", "2**31", 2**31, "22003"),
    ("usage_count", "text", "many", "22P02"),
    ("usage_count", "2**63", str(2**63), "22003"),
    ("max_usage_count", "text", "1e", "22P02"),
    ("id", "upper case", ID.upper(), READ_AS),
    ("id", "hyphens", str(uuid.UUID(ID)), READ_AS),
    ("id", "too short", ID[1:], "22P02"),
    ("id", "too long", ID + "0", "22P02"),
    ("id", "no hexadecimal digit", "g" + ID[1:], "22P02"),
    ("id", "NUL after it", ID + "\0", CLIENT),
    ("id", "blob", uuid.UUID(ID).bytes, "42804"),
    ("id", "blob of text", ID.encode(), "42804"),
    ("key_id", "NUL", "k\0ey", CLIENT),
    ("key_id", "blob", b"key", READ_AS),
    ("algorithm", "NUL after it", "AES\0", CLIENT),
    ("status_reason", "NUL", "be\0cause", CLIENT),
    ("status_reason", "blob", b"because", READ_AS),
    ("hsm_key_id", "NUL", "slot\0", CLIENT),
    ("hsm_metadata", "no JSON", "{slot}", "22P02"),
    ("hsm_metadata", "no text", "", "22P02"),
    ("hsm_metadata", "blob", b"{}", "42804"),
    ("hsm_metadata", "NUL after it", "{}\0", CLIENT),
    ("hsm_metadata", "NUL and more after it", "{}\0{", CLIENT),
    ("compliance_tags", "no JSON", "PCI", "22P02"),
    ("compliance_tags", "trailing comma", '["PCI",]', "22P02"),
    *[
        (column, why, given, sqlstate)
        for column in ("created_at", "activated_at", "expires_at", "updated_at")
        for why, given, sqlstate in (
            ("no time", "yesterdayish", "22007"),
            ("no such day", "2023-02-29T00:00:00.000000Z", "22008"),
            ("no such month", "2024-13-01T00:00:00.000000Z", "22008"),
            ("no such hour", "2024-02-29T25:00:00.000000Z", "22008"),
            ("space for T", TIME.replace("T", " "), READ_AS),
            ("offset for Z", TIME.replace("Z", "+00:00"), READ_AS),
            ("milliseconds", TIME.replace("456Z", "Z"), READ_AS),
            ("no time zone", TIME.removesuffix("Z"), READ_AS),
            ("a date", TIME[:10], READ_AS),
            ("NUL after it", TIME + "\0", CLIENT),
            ("blob", TIME.encode(), "42804"),
            ("number", 2709251199, "42804"),
        )
    ],
]
WRONG_IN_VERSIONS: list[tuple[str, str, Any, str | None]] = [
    ("version_number", "text", "first", "22P02"),
    ("version_number", "2**31", 2**31, "22003"),
    ("generation_time_ms", "2**31", 2**31, "22003"),
    ("generation_time_ms", "text", "long", "22P02"),
    ("data_volume_bytes", "text", "many", "22P02"),
    ("data_volume_bytes", "2**63", str(2**63), "22003"),
    ("entropy_score", "text", "high", "22P02"),
    ("entropy_score", "blob", b"99", "42804"),
    ("id", "upper case", ID.upper(), READ_AS),
    ("id", "NUL after it", ID + "\0", CLIENT),
    ("key_checksum", "NUL after it", "a" * 64 + "\0", CLIENT),
    ("wrapping_key_ref", "blob", b"kms://", READ_AS),
    ("wrapping_key_ref", "NUL", "kms://\0", CLIENT),
    ("encryption_metadata", "NUL after it", JSON_TEXT + "\0", CLIENT),
    ("encryption_metadata", "no JSON", "AES", "22P02"),
    ("created_at", "no such day", "2019-02-29T00:00:00.000000Z", "22008"),
    ("activated_at", "NUL after it", TIME + "\0", CLIENT),
    ("deactivated_at", "blob", TIME.encode(), "42804"),
]
MASTER_COLUMNS = {"usage_count", "max_usage_count", "status_reason", "hsm_key_id", "hsm_metadata", "compliance_tags"}
MASTER_COLUMNS |= {"activated_at", "expires_at", "updated_at"}
VERSION_COLUMNS = {"generation_time_ms", "data_volume_bytes", "entropy_score", "encryption_metadata"}
"""The columns that can be changed, so that the rule to meet is the one about what they hold."""


def base_master(**over: Any) -> Row:
    times = {"created_at": "2020-01-01T00:00:00.000000Z", "activated_at": "2020-01-02T00:00:00.000000Z"}
    return hsm_key_master(**{"status": "active", **times, **over})


def base_version(master: Row, **over: Any) -> Row:
    times = {
        "created_at": "2020-01-01T00:00:00.000000Z",
        "activated_at": "2020-01-02T00:00:00.000000Z",
        "deactivated_at": "2025-01-02T00:00:00.000000Z",
    }
    return key_version(master, **{**times, **over})


def cases(*tables: tuple[str, list[tuple[str, str, Any, str | None]]], only: set[str] | None = None) -> list[Any]:
    return [
        pytest.param(table, column, given, sqlstate, id=f"{table}-{column}-{why}")
        for table, rows in tables
        for column, why, given, sqlstate in rows
        if only is None or column in only
    ]


def rule_of(shared: SharedDatabase, table: str, column: str) -> str:
    """Return by what the column's check is known: on PostgreSQL the type refuses, and names no rule."""
    return f"ck_{table}_{column}_" if shared.dialect == "sqlite" else ""


@pytest.mark.parametrize(
    ("table", "column", "given", "sqlstate"),
    cases(("key_masters", WRONG_IN_MASTERS), ("key_versions", WRONG_IN_VERSIONS)),
)
def test_values_outside_the_type_of_a_column_are_refused(
    shared: SharedDatabase, table: str, column: str, given: Any, sqlstate: str | None
) -> None:
    if table == "key_masters":
        row = base_master(**{column: given})
    else:
        row = base_version(insert(shared.connection, "key_masters", **key_master()), **{column: given})
    if shared.dialect == "postgresql" and sqlstate == READ_AS:
        insert(shared.connection, table, **row)
    elif column == "id":
        columns, places = ", ".join(row), ", ".join(f":{name}" for name in row)
        statement = f"INSERT INTO {table} ({columns}) VALUES ({places})"  # noqa: S608
        refused(shared.connection, statement, row, rule=rule_of(shared, table, column), sqlstate=sqlstate)
    else:
        insert_refused(shared.connection, table, row, rule=rule_of(shared, table, column), sqlstate=sqlstate)


@pytest.mark.parametrize(
    ("table", "column", "given", "sqlstate"),
    [
        *cases(("key_masters", WRONG_IN_MASTERS), only=MASTER_COLUMNS),
        *cases(("key_versions", WRONG_IN_VERSIONS), only=VERSION_COLUMNS),
    ],
)
def test_no_change_makes_a_column_hold_it(
    shared: SharedDatabase, table: str, column: str, given: Any, sqlstate: str | None
) -> None:
    if table == "key_masters":
        row = base_master()
    else:
        row = base_version(insert(shared.connection, "key_masters", **key_master()))
    insert(shared.connection, table, **row)
    if shared.dialect == "postgresql" and sqlstate == READ_AS:
        update(shared.connection, table, row, **{column: given})
        return
    rule = rule_of(shared, table, column)
    update_refused(shared.connection, table, row, {column: given}, rule=rule, sqlstate=sqlstate)


def test_values_of_the_type_of_a_column_are_stored(shared: SharedDatabase) -> None:
    key = base_master(
        id=uuid.UUID(ID), key_size_bits=2**31 - 1, usage_count=10**15, created_at=TIME, hsm_metadata=JSON_TEXT
    )
    insert(shared.connection, "key_masters", **key)
    columns = "key_size_bits, usage_count, key_id, algorithm"
    statement = f"SELECT {columns} FROM key_masters WHERE created_at = :time"  # noqa: S608
    found = execute(shared.connection, statement, {"time": TIME}).fetchall()
    assert found == [(2**31 - 1, 10**15, key["key_id"], key["algorithm"])]
    version = insert(shared.connection, "key_versions", **base_version(key, entropy_score=99))
    score = value(shared.connection, "key_versions", version, "entropy_score")
    assert isinstance(score, float)
    assert score == 99


@pytest.mark.parametrize("table", ["key_masters", "key_versions"])
def test_a_row_has_no_other_name_than_its_id(shared: SharedDatabase, table: str) -> None:
    """REPLACE through the `rowid` of an ordinary SQLite table would bypass every guard trigger."""
    with pytest.raises((sqlite3.OperationalError, psycopg.errors.UndefinedColumn), match="rowid"):
        shared.connection.execute(f"SELECT rowid FROM {table}")  # type: ignore[arg-type]  # noqa: S608


def test_ids_that_the_database_makes_are_ordered_by_time(shared: SharedDatabase) -> None:
    for table in ("key_masters", "key_versions"):
        made = []
        for _ in range(5):
            row = key_master()
            if table == "key_versions":
                row = key_version(insert(shared.connection, "key_masters", **row))
            del row["id"]
            insert(shared.connection, table, **row)
            found = execute(
                shared.connection,
                f"SELECT id FROM {table} WHERE key_id = :key_id",  # noqa: S608
                {"key_id": row["key_id"]},
            ).fetchone()[0]
            made.append(uuid.UUID(str(found)))
            time.sleep(0.003)  # the order is by milliseconds
        assert made == sorted(made)
        assert {(made_id.version, made_id.variant) for made_id in made} == {(7, uuid.RFC_4122)}
        milliseconds = made[-1].int >> 80
        assert abs(milliseconds / 1000 - time.time()) < 60
