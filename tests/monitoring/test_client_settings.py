"""Settings of a role, a database or a client change no metric, and keep no operation from its record."""

from contextlib import closing
from pathlib import Path

import psycopg
import pytest

from kms_schema.audit import find_anomalies
from kms_schema.monitoring import Snapshot, take_snapshot
from kms_schema.monitoring.names import Part
from kms_schema.monitoring.parts import keys
from kms_schema.monitoring.reader import Reader
from kms_schema.monitoring.samples import Read, Sample
from kms_schema.rotations.refresh import refresh
from support.engines import Database
from support.programs.commands import kms_schema
from support.rows.smallest import audit_entry, insert, now
from support.statements import execute
from tests.cli.audit_trails import trail_of
from tests.monitoring.states import fill
from tests.rotations.setups import DAY, a_rotation

NOT_COMPARED = {Part.DATABASE, Part.ANOMALIES, Part.STATEMENTS}
RENDERING = {"client_encoding": "SQL_ASCII", "DateStyle": "German", "extra_float_digits": "-15"}


def set_for_all(connection: object, settings: dict[str, str]) -> None:
    assert isinstance(connection, psycopg.Connection)
    for name, value in settings.items():
        execute(connection, f"ALTER DATABASE {connection.info.dbname} SET {name} = '{value}'")


def shown(snapshot: Snapshot) -> dict[str, list[Sample]]:
    assert snapshot.failures() == {}
    compared = [each for part in snapshot.parts if part.part not in NOT_COMPARED for each in part.samples]
    return {name: [each for each in compared if each.name == name] for name in snapshot.by_name}


@pytest.mark.only_on("postgresql")
@pytest.mark.versions("oldest and newest")
def test_a_scrape_does_not_depend_on_settings_of_the_client(database: Database) -> None:
    with closing(database.connect()) as connection:
        fill(connection)
        execute(connection, "ALTER TABLE alembic_version RENAME TO elsewhere")  # as another version table
        expected = shown(take_snapshot(connection))
        set_for_all(connection, RENDERING)
    with closing(database.connect()) as connection:
        assert isinstance(connection, psycopg.Connection)
        assert connection.info.encoding == "ascii"
        assert shown(take_snapshot(connection)) == expected
    assert "1 active key has expired (expired CRITICAL)" in kms_schema("check", url=database.url).out


def test_a_value_of_a_type_that_no_part_expects_fails_its_part(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    def of_bytes(_reader: Reader) -> Read:
        return Read([Sample("kms_keys", b"1" + 1, ("dek", "active"))])  # type: ignore[operator]

    with closing(database.connect()) as connection:
        monkeypatch.setattr("kms_schema.monitoring.collecting.PARTS", {Part.KEYS: of_bytes, Part.HSMS: keys.hsms})
        snapshot = take_snapshot(connection)
    assert snapshot.failures().keys() == {Part.KEYS}


@pytest.mark.only_on("postgresql")
def test_commands_do_not_depend_on_settings_of_the_client(database: Database, tmp_path: Path) -> None:
    trail = trail_of(database, tmp_path)
    with closing(database.connect()) as connection:
        key = a_rotation(connection)["key_id"]
        document = {"version": 7, "encryptions": 1, "decryptions": 0, "process": "h:1"}
        used = audit_entry(event_type="KEY_USED", key_id=key, additional_metadata=document)
        insert(connection, "key_audit_logs", **used)
        set_for_all(connection, RENDERING | {"default_transaction_read_only": "on"})
    for command in (
        ("audit", "seal", "--key", str(trail.key_file), "--publish", "cat > /dev/null"),
        ("audit", "record"),
        ("validate", "--record", "--select", "KMS1"),
        ("refresh",),
        ("audit", "list", "--limit", "1"),
        ("rotations", "list"),
    ):
        said = kms_schema(*command, url=database.url)
        assert (said.status, "not recorded" in said.err) == (0, False), said.all
    with closing(database.connect()) as connection:
        assert isinstance(connection, psycopg.Connection)
        assert len(refresh(connection).views) == 2
        assert [each.rule for each in find_anomalies(connection, now() - DAY)] == ["forged-entry"]
        assert execute(connection, "SELECT count(*) FROM key_operation_records").fetchone() == (3,)
