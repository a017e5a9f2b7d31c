"""The file of expected objects: the same for each read, reviewed by people, refused if it is damaged."""

import json
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from kms_schema.validator.host.comparison import snapshot_of, validate_host
from kms_schema.validator.host.scope import Scope
from kms_schema.validator.host.snapshots import (
    OWNER,
    Snapshot,
    SnapshotError,
    added,
    chosen,
    read_snapshots,
    written,
)
from support.engines import Database, Engine, Engines
from tests.validator.host.shop import fill, run

SCOPE = Scope(("public", "sales"))
EMPTY = {"public": {"table t": {"owner": OWNER}}}


@pytest.fixture
def shop(engine: Engine) -> Iterator[Database]:
    database = engine.create()
    fill(database)
    yield database
    engine.drop(database)


def test_a_file_has_what_was_read_and_is_the_same_for_each_read(shop: Database, tmp_path: Path) -> None:
    with closing(shop.connect()) as connection:
        first, second = (snapshot_of(connection, SCOPE) for _ in range(2))
        file = tmp_path / "schema.json"
        file.write_text(written([first]), "utf-8")
        assert written([first]) == written([second])
        [read] = read_snapshots(file)
        assert (read.engine, read.major, read.schemas) == (first.engine, first.major, first.schemas)
        assert validate_host(connection, [read], SCOPE).findings == ()
    lines = file.read_text("utf-8").splitlines()
    assert max(line.count('": ') for line in lines) == 1, "an attribute a line"


def test_no_object_of_the_package_is_in_a_file_and_ours_are_still_validated(database: Database) -> None:
    fill(database)
    with closing(database.connect()) as connection:
        expected = snapshot_of(connection, SCOPE)
        assert not [key for objects in expected.schemas.values() for key in objects if "key_" in key]
        clean = validate_host(connection, [expected], SCOPE)
        run(connection, "DROP INDEX idx_key_masters_newest; DROP INDEX big_orders")
        drifted = validate_host(connection, [expected], SCOPE)
    prefix = "public." if database.dialect == "postgresql" else ""
    assert [each.code for each in clean.findings if each.fails()] == []
    assert {each.object for each in drifted.findings if each.code == "KMS131"} == {
        f"index {prefix}big_orders", "index idx_key_masters_newest",
    }  # fmt: skip


def test_excluded_objects_are_not_compared(shop: Database) -> None:
    scope = Scope(("public",), ("Or.d*", "*big", "sums"))
    with closing(shop.connect()) as connection:
        expected = snapshot_of(connection, scope)
        run(connection, "DROP VIEW big")
        report = validate_host(connection, [expected], scope)
    assert not [key for objects in expected.schemas.values() for key in objects if "Or.ders" in key]
    assert report.findings == ()


@pytest.mark.only_on("postgresql")
def test_another_owner_of_all_objects_is_no_drift_and_one_of_a_table_is(shop: Database) -> None:
    with closing(shop.connect()) as connection:
        expected = snapshot_of(connection, Scope())
        assert '"postgres"' not in written([expected])
        try:
            run(connection, "CREATE ROLE shop_owner; ALTER TABLE customers OWNER TO shop_owner")
            codes = [each.code for each in validate_host(connection, [expected], Scope()).findings]
        finally:
            run(connection, "ALTER TABLE customers OWNER TO CURRENT_USER; DROP ROLE shop_owner")
    assert codes == ["KMS301"]


@pytest.mark.only_on("postgresql")
def test_a_login_with_connect_alone_validates(shop: Database) -> None:
    with closing(shop.connect()) as connection:
        expected = snapshot_of(connection, SCOPE)
        run(connection, "CREATE ROLE reader LOGIN")
        try:
            run(connection, "SET SESSION AUTHORIZATION reader")
            assert validate_host(connection, [expected], SCOPE).findings == ()
        finally:
            run(connection, "RESET SESSION AUTHORIZATION; DROP ROLE reader")


@pytest.mark.only_on("postgresql")
@pytest.mark.versions("oldest and newest")
def test_another_major_version_renders_no_drift(shop: Database, engines: Engines) -> None:
    other = engines["postgresql-15"].create()
    try:
        fill(other)
        with closing(other.connect()) as there, closing(shop.connect()) as here:
            expected = snapshot_of(there, SCOPE)
            assert validate_host(here, [expected], SCOPE).findings == ()
            run(here, 'DROP VIEW big; DROP INDEX big_orders; CREATE VIEW big AS SELECT 1 AS "other"')
            objects = [each.object for each in validate_host(here, [expected], SCOPE).findings]
            assert objects == ["view public.big", "index public.big_orders"]
    finally:
        engines["postgresql-15"].drop(other)


@pytest.mark.only_on("postgresql")
def test_kinds_that_are_not_compared_are_named(shop: Database) -> None:
    with closing(shop.connect()) as connection:
        expected = snapshot_of(connection, SCOPE)
        run(connection, "CREATE COLLATION words (locale = 'C')")
        report = validate_host(connection, [expected], SCOPE)
    assert (report.findings, report.not_compared) == ((), ("collation words", "type span"))
    assert "2 objects not compared" in report.verdict


def test_the_nearest_major_version_of_the_engine_is_chosen() -> None:
    available = [Snapshot("postgresql", major, EMPTY, "it.json") for major in (13, 15)]
    assert [chosen(available, "postgresql", f"{major}.1").major for major in (13, 14, 15, 18)] == [13, 15, 15, 15]
    with pytest.raises(SnapshotError, match=r"is on sqlite, and it\.json has postgresql 13, postgresql 15 only"):
        chosen(available, "sqlite", "3.46.1")


def test_a_new_snapshot_takes_the_place_of_that_of_its_version() -> None:
    old, new = (Snapshot("postgresql", 15, {"public": {"table t": {"owner": each}}}) for each in ("a", "b"))
    other = Snapshot("postgresql", 18, EMPTY)
    assert added([old, other], new) == (other, new)


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("", "no JSON"),
        ("[" * 100_000, "nested too deeply"),
        ("{}", "no snapshot of this version"),
        (json.dumps({"format": "kms-schema snapshot 1", "servers": []}), "has no objects"),
        (json.dumps({"format": "kms-schema snapshot 1", "servers": [{"engine": "mysql", "schemas": {}}]}), "damaged"),
        (json.dumps({"format": "kms-schema snapshot 1", "servers": [{"engine": "sqlite", "major": None}]}), "damaged"),
        (json.dumps({"format": "kms-schema snapshot 1", "servers": {"sqlite": 1}}), "damaged"),
    ],
)
def test_a_damaged_file_is_one_sentence(text: str, says: str, tmp_path: Path) -> None:
    file = tmp_path / "schema.json"
    file.write_text(text, "utf-8")
    with pytest.raises(SnapshotError, match=says):
        read_snapshots(file)


@pytest.mark.only_on("postgresql-13")  # the server that has extensions with members
def test_an_extension_is_one_object(shop: Database) -> None:
    with closing(shop.connect()) as connection:
        expected = snapshot_of(connection, SCOPE)
        run(connection, "CREATE EXTENSION hstore")
        findings = validate_host(connection, [expected], SCOPE).findings
    assert [(each.code, each.object) for each in findings] == [("KMS252", "extension public.hstore")]


@pytest.mark.only_on("postgresql")
def test_a_policy_for_a_role_named_public_is_another_one(shop: Database) -> None:
    with closing(shop.connect()) as connection:
        expected = snapshot_of(connection, SCOPE)
        run(connection, 'CREATE ROLE "PUBLIC"')
        try:
            run(connection, 'ALTER POLICY all_of_them ON customers TO "PUBLIC"')
            findings = validate_host(connection, [expected], SCOPE).findings
            assert [(each.code, each.object) for each in findings] == [
                ("KMS203", "policy public.customers.all_of_them")
            ]
            run(connection, str(findings[0].remediation))
            assert validate_host(connection, [expected], SCOPE).findings == ()
        finally:
            run(connection, 'DROP POLICY IF EXISTS all_of_them ON customers; DROP ROLE "PUBLIC"')
