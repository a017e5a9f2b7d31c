"""A connection to SQLite redefines the functions that the triggers call. It cannot be prevented, and is found."""

import datetime as dt
import sqlite3
from contextlib import closing
from typing import Any

import pytest

from kms_schema.validator import validate
from support.concurrency.statements import master, version
from support.engines import Database
from support.programs.commands import kms_schema
from support.rows.smallest import hsm_configuration, insert
from tests.audit.owners import owned
from tests.audit.trails import seal_all, some, verified, write
from tests.validator.envelope_rows import described

pytestmark = pytest.mark.only_on("sqlite")

YEAR = 365.0
ENTRY = "INSERT INTO key_audit_logs (event_type, event_category, event_description) VALUES ('X', 'SECURITY', 'x')"


def redefine_clock(client: sqlite3.Connection, days: float, *, julianday: bool = True) -> None:
    """Have a connection take another time for the present."""
    then = dt.datetime.now(dt.UTC) + dt.timedelta(days=days)
    text = then.replace(tzinfo=None).isoformat(timespec="milliseconds")
    client.create_function("strftime", -1, lambda *_: text, deterministic=True)
    if julianday:
        number = then.timestamp() / 86400 + 2440587.5
        client.create_function("julianday", -1, lambda *_: number, deterministic=True)


FORGED_TIMES: dict[str, tuple[float, bool, str]] = {
    "backdated, the id too": (-YEAR, True, "and the entry before"),
    "backdated": (-YEAR, False, "and the entry before"),
    "dated forward": (YEAR, True, "and the entry before"),
    "dated forward, but not the id": (YEAR, False, "and its id is of another time"),
}


@pytest.mark.parametrize("name", some(FORGED_TIMES, "backdated, the id too", "dated forward, but not the id"))
def test_an_entry_that_is_dated_by_a_connection_is_found(database: Database, name: str) -> None:
    days, id_too, says = FORGED_TIMES[name]
    with owned(database) as trail:
        assert (verified(trail.connection).against_time, trail.codes("data")) == (0, set())
        with closing(database.connect()) as client:
            assert isinstance(client, sqlite3.Connection)
            redefine_clock(client, days, julianday=id_too)
            client.execute(ENTRY)
        write(trail.connection, 1)
        seal_all(trail.connection)
        verdict = verified(trail.connection)
        assert verdict.sound
        assert verdict.against_time >= 1
        assert says in str(verdict.first_against_time)
        (found,) = [each for each in validate(trail.connection, level="data").findings if each.code == "KMS519"]
        assert says in found.actual
    said = kms_schema("audit", "verify", url=database.url)
    assert (said.status, "times that run against the sequence: " in said.out) == (0, True)


def test_a_clock_that_is_corrected_by_seconds_is_no_finding(database: Database) -> None:
    with owned(database) as trail, closing(database.connect()) as client:
        assert isinstance(client, sqlite3.Connection)
        redefine_clock(client, -30 / 86400)
        client.execute(ENTRY)
        assert verified(trail.connection).against_time == 0
        assert "KMS519" not in trail.codes("data")


def redefine_checks(client: sqlite3.Connection, blob: bytes | str) -> None:
    """Have a connection judge one value as none, and every other one as SQLite does."""
    honest = sqlite3.connect(":memory:")
    names = {"length": (1,), "substr": (2, 3), "typeof": (1,), "hex": (1,)}
    for name, counts in names.items():
        for count in counts:
            query = f"SELECT {name}({', '.join('?' * count)})"

            def redefined(*values: Any, query: str = query) -> Any:
                return None if values[0] == blob else honest.execute(query, values).fetchone()[0]

            client.create_function(name, count, redefined, deterministic=True)


PLAIN = b"0123456789abcdef0123456789abcdef"
NO_ENVELOPES = {
    "plaintext": PLAIN,
    "plaintext with a format byte": b"\x01" + 2 * PLAIN,
    "a key of another length": b"\x02" + bytes(range(1, 20)),
    "text": PLAIN.decode(),
    "nothing": b"",
}


@pytest.mark.parametrize("name", some(NO_ENVELOPES, "plaintext", "text"))
@pytest.mark.parametrize("table", ["key_versions", "hsm_configurations"])
def test_an_envelope_that_is_none_is_found(database: Database, table: str, name: str) -> None:
    blob = NO_ENVELOPES[name]
    with closing(database.connect()) as client:
        assert isinstance(client, sqlite3.Connection)
        key = master(client)
        redefine_checks(client, blob)
        if table == "key_versions":
            version(client, key, encrypted_key_data=blob, **described(1, "AES-256-GCM"))
        else:
            insert(client, table, **hsm_configuration(authentication_config=blob, wrapping_key_ref="root"))
    with closing(database.connect()) as connection:
        findings = validate(connection, level="data").findings
        about = [each for each in findings if each.code in {"KMS501", "KMS525"}]
        assert about, [(each.code, each.object) for each in findings]
        assert PLAIN.decode() not in "".join(each.actual for each in about)
