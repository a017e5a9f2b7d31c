"""No row has text that is not UTF-8: one such row would keep every program from reading the others beside it."""

import json
import secrets
import time
from collections.abc import Iterator
from contextlib import closing

import pytest

from support.engines import Database, Engines
from support.engines.database import Connection
from support.engines.postgresql import PostgresqlEngine
from support.programs.commands import kms_schema
from support.rows.smallest import (
    Row,
    audit_entry,
    hsm_configuration,
    insert,
    key_master,
    key_rotation,
    key_version,
    rotation_policy,
)
from support.shared import SharedDatabase
from support.statements import execute, refused
from support.violations.refused_rows import apply_settings
from tests.schema.encodings import ENCODINGS, NO_UTF8

RECORDS = "key_operation_records"
PUBLICATION: Row = {"operation": "PUBLICATION", "subject": "kms.example/audit", "seal_number": 1}
METADATA = '{"format": "01", "algorithm": "AES-256-GCM", "associated_data": "%s"}'
COLUMNS = {
    ("key_masters", "hsm_metadata"): '{"a": "%s"}',
    ("key_versions", "encryption_metadata"): METADATA,
    ("rotation_policies", "notification_channels"): '["%s"]',
    ("key_rotations", "trigger_details"): '{"a": "%s"}',
    ("key_rotations", "error_message"): "%s",
    ("hsm_configurations", "endpoint_url"): "%s",
    (RECORDS, "subject"): "%s",
}
"""Texts and documents that an entry of the audit log only names, or that no entry has, each with a value of it."""
RULES = {
    "key_masters": "guard_key_master_bounds",
    "key_versions": "guard_key_version_bounds",
    "rotation_policies": "guard_rotation_policy_bounds",
    "key_rotations": "guard_key_rotation_bounds",
    "hsm_configurations": "guard_hsm_configuration_bounds",
    RECORDS: "guard_key_operation_record_bounds",
}
EVERY_SIZE = "".join(map(chr, (0x7F, 0x80, 0x7FF, 0x800, 0xD7FF, 0xE000, 0xFFFD, 0xFFFE, 0xFFFF, 0x10000, 0x10FFFF)))
MOST_SECONDS = 20
"""A message of a quarter of the limit takes less than one; where each step reads the whole text again, an hour."""


def smallest(connection: Connection, table: str) -> Row:
    """Return a row that may be inserted, and insert those that it refers to."""
    if table in ("key_versions", "key_rotations"):
        master = insert(connection, "key_masters", **key_master())
        return key_version(master) if table == "key_versions" else key_rotation(master)
    rows = {"key_masters": key_master, "rotation_policies": rotation_policy, "hsm_configurations": hsm_configuration}
    return rows[table]() if table in rows else dict(PUBLICATION)


def attempts(connection: Connection, table: str, column: str, value: str) -> Iterator[tuple[str, Row]]:
    """Yield an INSERT, and an UPDATE of a row that is there, in which `value` is SQL."""
    row = {name: given for name, given in smallest(connection, table).items() if name != column}
    places = ", ".join(f":{name}" for name in row)
    yield f"INSERT INTO {table} ({', '.join(row)}, {column}) VALUES ({places}, {value})", row  # noqa: S608
    if table != RECORDS:  # no row of it changes
        insert(connection, table, **smallest(connection, table))
        yield f"UPDATE {table} SET {column} = {value}", {}  # noqa: S608


@pytest.mark.only_on("sqlite")
@pytest.mark.parametrize("checks", ["ON", "OFF"])
@pytest.mark.parametrize(("table", "column"), COLUMNS)
def test_text_that_is_not_utf8_is_refused(shared: SharedDatabase, table: str, column: str, checks: str) -> None:
    apply_settings(shared.connection, {"ignore_check_constraints": checks})
    before, after = (part.encode().hex() for part in COLUMNS[table, column].split("%s"))
    for wrong in NO_UTF8 if checks == "ON" else NO_UTF8[:2]:
        value = f"CAST(x'{before}c3a9{wrong}61{after}' AS TEXT)"
        for statement, row in attempts(shared.connection, table, column, value):
            refused(shared.connection, statement, row, rule=RULES[table])


@pytest.mark.parametrize(("table", "column"), COLUMNS)
def test_every_character_is_accepted(shared: SharedDatabase, table: str, column: str) -> None:
    said = COLUMNS[table, column] % EVERY_SIZE
    for statement, row in attempts(shared.connection, table, column, ":said"):
        execute(shared.connection, statement, {**row, "said": said})
    [found] = execute(shared.connection, f"SELECT max(CAST({column} AS text)) FROM {table}").fetchall()  # noqa: S608
    assert (json.loads(found[0]) if said[0] in "[{" else found[0]) == (json.loads(said) if said[0] in "[{" else said)


@pytest.mark.only_on("sqlite")
def test_a_long_message_is_read_in_seconds(shared: SharedDatabase) -> None:
    insert(shared.connection, "key_rotations", **smallest(shared.connection, "key_rotations"))
    began = time.monotonic()
    execute(shared.connection, "UPDATE key_rotations SET error_message = :said", {"said": "é" * 131_072})
    assert time.monotonic() - began < MOST_SECONDS


@pytest.fixture(scope="module", params=ENCODINGS)
def encoded(engines: Engines, engine_name: str, request: pytest.FixtureRequest) -> Iterator[tuple[Database, str]]:
    """A database in an encoding other than UTF-8, and a text with bytes that are no characters there."""
    engine, name = engines[engine_name], f"kms_test_{secrets.token_hex(6)}"
    assert isinstance(engine, PostgresqlEngine)
    with closing(engine.administer()) as administrator:
        execute(administrator, f"CREATE DATABASE {name} ENCODING '{request.param}' LOCALE 'C' TEMPLATE template0")
        made = Database(engine_name, "postgresql", engine.url.set(database=name).render_as_string(hide_password=False))
        made.alembic("upgrade", "head")
        yield made, ENCODINGS[request.param]
        execute(administrator, f"DROP DATABASE {name} WITH (FORCE)")


@pytest.mark.only_on("postgresql")
@pytest.mark.versions("oldest and newest")
def test_bytes_that_are_no_characters_in_utf8_are_refused(encoded: tuple[Database, str]) -> None:
    made, wrong = encoded
    with closing(made.connect()) as connection:
        for (table, column), said in COLUMNS.items():
            before, after = said.split("%s")
            value = f"CAST('{before}' || {wrong} || '{after}' AS {'jsonb' if after else 'text'})"
            for statement, row in attempts(connection, table, column, value):
                refused(connection, statement, row, rule=RULES[table], sqlstate="23514")
        insert(connection, RECORDS, **PUBLICATION)
    for words in (("rotations", "list"), ("policies", "list"), ("inventory",)):
        assert kms_schema(*words, url=made.url).status == 0


@pytest.mark.only_on("postgresql")
@pytest.mark.versions("oldest and newest")
def test_bytes_that_are_no_characters_in_utf8_are_refused_in_an_entry(encoded: tuple[Database, str]) -> None:
    made, wrong = encoded
    entry = (
        "INSERT INTO key_audit_logs (event_type, event_category, event_description, {})"
        " VALUES ('A', 'SECURITY', 'b', {})"
    )
    with closing(made.connect()) as connection:
        for column, value in (("user_agent", wrong), ("compliance_tags", f"jsonb_build_array({wrong})")):
            refused(connection, entry.format(column, value), rule="guard_key_audit_log_insert_values")
        insert(connection, "key_audit_logs", **audit_entry())
