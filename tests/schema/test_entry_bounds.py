"""No entry is so large, or prints so long, that it could not be sealed, archived, dumped or read; all text is UTF-8."""

import json
import os
from pathlib import Path
from typing import Any

import psycopg
import pytest

from support.rows.smallest import Row, audit_entry, hsm_configuration, insert, key_master, rotation_policy
from support.shared import SharedDatabase
from support.statements import execute, refused
from support.violations.refused_rows import Forbidden, apply_settings, refuses_insert
from tests.schema.encodings import NO_UTF8

pytestmark = pytest.mark.versions("oldest and newest")

TABLE = "key_audit_logs"
RULE = "guard_key_audit_log_insert_values"
LONGEST = {"event_description": 32768, "compliance_tags": 32768, "additional_metadata": 65536}
SAID = "INSERT INTO key_audit_logs (event_type, event_category, {}) VALUES ('A', 'SECURITY', {})"
MEGABYTES, SECONDS = 16, 2
"""What a refusal may cost the server, in processor seconds; it takes milliseconds."""


def nested(levels: int) -> str:
    return "[" * levels + "]" * levels


def of_bytes(column: str, size: int) -> Any:
    """Return a value as long as the column allows, or a byte longer; PostgreSQL stores 20 bytes with a document."""
    if column == "event_description":
        return "é" * (size // 2) + "e" * (size % 2)
    text = "x" * (size - 30 if size == LONGEST[column] else size)
    return json.dumps([text] if column == "compliance_tags" else {"a": text})


@pytest.mark.parametrize("column", LONGEST)
def test_each_text_has_a_longest(shared: SharedDatabase, column: str) -> None:
    size = LONGEST[column]
    insert(shared.connection, TABLE, **audit_entry(**{column: of_bytes(column, size)}))
    refuses_insert(shared.connection, TABLE, audit_entry(), Forbidden({column: of_bytes(column, size + 1)}, RULE))


OUT_OF_BOUNDS: dict[str, Row] = {
    "33 lists in each other": {"compliance_tags": nested(33)},
    "33 objects in each other": {"additional_metadata": '{"a":' * 33 + "1" + "}" * 33},
    "both in each other": {"additional_metadata": '{"a": [' * 17 + "1" + "]}" * 17},
    "900 in each other": {"compliance_tags": nested(900)},
    "a number no double holds": {"additional_metadata": '{"a": 1e401}'},
    "one with a sign": {"additional_metadata": '{"a": [-1.5E+401]}'},
    "one among tags": {"compliance_tags": "[1e4000]"},
    "thousands of digits": {"additional_metadata": f'{{"\\\\\\"": "", "a": [{"9" * 5000}]}}'},
    "thousands of decimal places": {"compliance_tags": f'["x", 0.{"1" * 5000}]'},
    "characters that print long": {"additional_metadata": json.dumps({"a": "\x01" * 12_000})},
    "one beside much else": {"additional_metadata": json.dumps({"a": "x" * 3000})[:-1] + ', "b": 1e401}'},
}


@pytest.mark.parametrize("kind", OUT_OF_BOUNDS)
def test_what_is_deep_or_prints_long_is_refused(shared: SharedDatabase, kind: str) -> None:
    for checks in ("OFF", "ON"):
        if shared.dialect == "sqlite":
            apply_settings(shared.connection, {"ignore_check_constraints": checks})
        refuses_insert(shared.connection, TABLE, audit_entry(), Forbidden(OUT_OF_BOUNDS[kind], RULE))


def test_what_only_looks_like_it_is_accepted(shared: SharedDatabase) -> None:
    words = {"id": "0ae999e+400", "many": ["[{" * 50], "max": 1.7e308, "more": [[]] * 40, "a.b": {"c[d": {}}}
    for row in (
        {"additional_metadata": words},
        {"compliance_tags": nested(32)},
        {"additional_metadata": '{"a": 1e300}'},
        {"additional_metadata": {"\\": f'"{"9" * 5000}\\', "9" * 500: 10**300}},
    ):
        insert(shared.connection, TABLE, **audit_entry(**row))


def numbers(number: str, count: int) -> str:
    """Return a query of a document that has a number so many times; it is made once, since to make one prints it."""
    once = f"WITH one AS MATERIALIZED (SELECT to_jsonb({number}) AS number)"
    return f"{once} SELECT jsonb_agg(number) FROM one, generate_series(1, {count})"  # noqa: S608


ATTACKS = {
    "9000 numbers in 2.5 kB": numbers("1e131071", 9000),
    "numbers in 442 bytes": numbers("1e131071", 1600),
    "as many as are not compressed": numbers("1e131071", 110),
    "20 numbers": numbers("1e131071", 20),
    "20 negative ones": numbers("-1e131071", 20),
    "zeros with decimal places": numbers("'0e-16383'::numeric", 150),
    "ones with decimal places": numbers("round(1::numeric, 16383)", 2000),
    "a megabyte, compressed": "SELECT jsonb_build_array(repeat('x', 4000000))",
}
"""Documents that a client stored elsewhere, so that they come compressed."""


@pytest.mark.only_on("postgresql")
@pytest.mark.parametrize("attack", ATTACKS)
def test_refusing_a_document_that_prints_long_costs_the_server_little(shared: SharedDatabase, attack: str) -> None:
    assert isinstance(shared.connection, psycopg.Connection)
    server = Path(f"/proc/{shared.connection.info.backend_pid}")
    execute(shared.connection, f"CREATE TABLE stored AS SELECT ({ATTACKS[attack]}) AS document")
    for table, row, rule in (
        (TABLE, audit_entry(), RULE),
        ("key_masters", key_master(), "guard_key_master_bounds"),
    ):
        refuses_insert(
            shared.connection, table, row, Forbidden({"compliance_tags": nested(33)}, rule)
        )  # read the catalog
        places = ", ".join(f":{column}" for column in row)
        statement = f"INSERT INTO {table} ({', '.join(row)}, compliance_tags) SELECT {places}, document FROM stored"  # noqa: S608
        server.joinpath("clear_refs").write_text("5", encoding="ascii")  # the peak begins again
        before, began = _kilobytes(server), _processor_seconds(server)
        refused(shared.connection, statement, row, rule=rule, sqlstate="23514")
        assert _processor_seconds(server) - began < SECONDS
        assert (_kilobytes(server) - before) / 1024 < MEGABYTES


def _processor_seconds(process: Path) -> float:
    values = process.joinpath("stat").read_text(encoding="ascii").rpartition(")")[2].split()
    return (int(values[11]) + int(values[12])) / os.sysconf("SC_CLK_TCK")


def _kilobytes(process: Path) -> int:
    lines = process.joinpath("status").read_text(encoding="ascii").splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith("VmHWM"))


@pytest.mark.only_on("postgresql")
@pytest.mark.parametrize("broken", ["event_category", "event_type"])
def test_no_other_rule_prints_the_row_first(shared: SharedDatabase, broken: str) -> None:
    document = f"({numbers('1e131071', 2000)})"
    statement = SAID.format("event_description, compliance_tags, risk_score", f"'b', {document}, 101")
    statement = statement.replace("'SECURITY'" if broken == "event_category" else "'A'", "NULL")
    refused(shared.connection, statement, rule=RULE, sqlstate="23514")


@pytest.mark.only_on("postgresql")
@pytest.mark.parametrize("moment", ["infinity", "-infinity", "0001-01-01 00:00:00+00 BC", "10000-01-01 00:00:00+00"])
def test_a_restored_time_is_one_that_every_reader_can_express(shared: SharedDatabase, moment: str) -> None:
    execute(shared.connection, "SET LOCAL kms.restore = on")
    refused(
        shared.connection,
        SAID.format('event_description, "timestamp"', f"'b', '{moment}'"),
        rule=RULE,
        sqlstate="23514",
    )


DOCUMENTS_OF_ROWS = {
    "key_masters": ("hsm_metadata", key_master, "guard_key_master_bounds"),
    "rotation_policies": ("notification_channels", rotation_policy, "guard_rotation_policy_bounds"),
    "hsm_configurations": ("supported_algorithms", hsm_configuration, "guard_hsm_configuration_bounds"),
}


@pytest.mark.parametrize("table", DOCUMENTS_OF_ROWS)
def test_a_number_of_a_row_has_not_thousands_of_digits(shared: SharedDatabase, table: str) -> None:
    column, row, rule = DOCUMENTS_OF_ROWS[table]
    document = '{"a": %s}' if column == "hsm_metadata" else "[%s]"
    refuses_insert(shared.connection, table, row(), Forbidden({column: document % ("9" * 5000)}, rule))
    insert(shared.connection, table, **row(**{column: document % ("9" * 308)}))
    changed = f"UPDATE {table} SET {column} = :document"  # noqa: S608
    refused(shared.connection, changed, {"document": document % ("9" * 3000)}, rule=rule)


TEXTS = ("event_description", "user_id", "session_id", "client_ip", "user_agent")
DOCUMENTS = {"compliance_tags": ("5b22", "225d"), "additional_metadata": ("7b2261223a22", "227d")}


@pytest.mark.only_on("sqlite")
@pytest.mark.parametrize("checks", ["ON", "OFF"])
def test_a_text_that_is_not_utf8_is_refused(shared: SharedDatabase, checks: str) -> None:
    apply_settings(shared.connection, {"ignore_check_constraints": checks})
    for column, (before, after) in {**dict.fromkeys(TEXTS, ("", "")), **DOCUMENTS}.items():
        for wrong in NO_UTF8 if column == "event_description" else NO_UTF8[:3]:
            row = {"event_description": "'b'", column: f"CAST(x'{before}{wrong}{after}' AS TEXT)"}
            refused(shared.connection, SAID.format(", ".join(row), ", ".join(row.values())), rule=RULE)


def test_every_character_is_accepted(shared: SharedDatabase) -> None:
    said = "".join(map(chr, (1, 0x7F, 0x80, 0x7FF, 0x800, 0xD7FF, 0xE000, 0xFFFD, 0xFFFE, 0xFFFF, 0x10000, 0x10FFFF)))
    row = audit_entry(event_description=said, user_agent=said, additional_metadata=json.dumps({said[1:]: "é"}))
    insert(shared.connection, TABLE, **row)
    query = f"SELECT event_description FROM {TABLE} ORDER BY sequence DESC LIMIT 1"  # noqa: S608
    assert execute(shared.connection, query).fetchone() == (said,)


def test_the_longest_change_of_a_key_fits_into_its_entry(shared: SharedDatabase) -> None:
    """Control characters take six bytes each in a document."""
    key = insert(shared.connection, "key_masters", **key_master(key_id="\x01" * 64))
    change = "UPDATE key_masters SET status_reason = :reason, compliance_tags = :tags, derivation_path = :path"
    for mark in "\x01\x02":
        tags = json.dumps([mark.replace(mark, "x") * 4000 + str(ord(mark))])
        execute(shared.connection, change, {"reason": mark * 4096, "tags": tags, "path": mark * 255})
    found = execute(shared.connection, "SELECT max(length(CAST(additional_metadata AS text))) FROM key_audit_logs")
    assert 55_000 < found.fetchone()[0] <= 65_536
    assert key


BOUNDED = {
    ("key_masters", "status_reason"): "guard_key_master_bounds",
    ("key_masters", "hsm_metadata"): "guard_key_master_bounds",
}


@pytest.mark.parametrize(("table", "column"), BOUNDED)
def test_a_row_is_bounded_when_it_is_changed_too(shared: SharedDatabase, table: str, column: str) -> None:
    insert(shared.connection, table, **key_master())
    value = json.dumps({"a": "x" * 66_000}) if column.endswith("metadata") else "x" * 4097
    refused(shared.connection, f"UPDATE {table} SET {column} = :value", {"value": value}, rule=BOUNDED[table, column])  # noqa: S608
