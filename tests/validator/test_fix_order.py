"""Fixes of drifts that share a dependency: run as printed, from top to bottom, none fails, and nothing is left."""

from contextlib import closing

import psycopg
import pytest

from kms_schema import validate
from support.engines import Database
from tests.validator.mutations.kinds import run

TOGETHER = {
    "a unique key deferrable, and its foreign keys gone": """
        ALTER TABLE key_masters DROP CONSTRAINT fk_key_masters_parent_key_id_key_masters;
        ALTER TABLE key_masters DROP CONSTRAINT uq_key_masters_key_id;
        ALTER TABLE key_masters ADD CONSTRAINT uq_key_masters_key_id UNIQUE (key_id) DEFERRABLE""",
    "a unique index of the constraint's name, to which a foreign key refers": """
        ALTER TABLE key_masters DROP CONSTRAINT uq_key_masters_key_id CASCADE;
        CREATE UNIQUE INDEX uq_key_masters_key_id ON key_masters (key_id);
        ALTER TABLE key_masters ADD CONSTRAINT fk_key_masters_parent_key_id_key_masters FOREIGN KEY (parent_key_id)
        REFERENCES key_masters (key_id) ON UPDATE RESTRICT ON DELETE RESTRICT""",
    "an index of the primary key's name, and the foreign keys gone": """
        ALTER TABLE rotation_policies DROP CONSTRAINT pk_rotation_policies CASCADE;
        CREATE INDEX pk_rotation_policies ON rotation_policies (id)""",
    "a view in place of the materialized view": """
        DROP MATERIALIZED VIEW key_management_dashboard; CREATE VIEW key_management_dashboard AS SELECT 1 AS one""",
    "a column that only a changed view reads": """
        ALTER TABLE key_masters ADD COLUMN extra integer; DROP VIEW key_wrapping_dependents;
        CREATE VIEW key_wrapping_dependents AS SELECT extra FROM key_masters""",
}


@pytest.mark.only_on("postgresql")
@pytest.mark.parametrize("drift", TOGETHER.values(), ids=TOGETHER)
def test_the_fixes_converge_in_one_run(database: Database, drift: str) -> None:
    with closing(database.connect()) as connection:
        before = {(each.code, each.object) for each in validate(connection).findings}
        run(connection, drift)
        findings = [each for each in validate(connection).worst_first if (each.code, each.object) not in before]
        assert len(findings) > 0
        failed = {}
        for finding in findings:
            try:
                run(connection, finding.remediation or "")
            except psycopg.Error as error:
                failed[finding.remediation] = str(error)
        assert failed == {}
        assert {(each.code, each.object) for each in validate(connection).findings} == before


@pytest.mark.parametrize("create", ["CREATE TABLE {} (id integer)", "CREATE VIEW {} AS SELECT 1 AS one"])
def test_a_name_that_an_object_of_the_host_has_is_said(database: Database, create: str) -> None:
    with closing(database.connect()) as connection:
        run(connection, f"DROP INDEX uq_key_versions_live; {create.format('uq_key_versions_live')}")
        (finding,) = (each for each in validate(connection).findings if each.code == "KMS131")
        kind = create.split()[1].lower()
        said = f"-- manual action: {kind} uq_key_versions_live has this name: rename it, and validate again"
        assert finding.remediation == said


READ = {
    "view rotations_due": (
        "CREATE VIEW lent AS SELECT id FROM rotations_due;"
        " UPDATE pg_rewrite SET ev_enabled = 'D' WHERE ev_class = 'rotations_due'::regclass"
    ),
    "column key_masters.extra": (
        "ALTER TABLE key_masters ADD COLUMN extra integer; CREATE VIEW lent AS SELECT extra FROM key_masters"
    ),
    "column key_masters.derivation_path": (
        "CREATE VIEW lent AS SELECT derivation_path FROM key_masters;"
        " UPDATE pg_attribute SET atttypmod = -1"
        " WHERE attrelid = 'key_masters'::regclass AND attname = 'derivation_path'"
    ),
}


@pytest.mark.only_on("postgresql")
def test_a_view_of_the_host_that_reads_what_a_fix_replaces_is_said(database: Database) -> None:
    with closing(database.connect()) as connection:
        for number, drift in enumerate(READ.values()):
            run(connection, drift.replace("lent", f"lent{number}"))
        fixes = {each.object: each.remediation for each in validate(connection).findings if each.object in READ}
        assert list(map(fixes.get, READ)) == [
            f"-- manual action: view lent{number} reads it: drop that, validate again, and create it at the end"
            for number in range(len(READ))
        ]
        run(connection, "DROP VIEW lent0, lent1, lent2")
        for finding in validate(connection).findings:
            if finding.object in READ:
                run(connection, finding.remediation or "")
        assert READ.keys().isdisjoint(each.object for each in validate(connection).findings)


@pytest.mark.only_on("postgresql")
def test_a_renamed_column_that_differs_is_not_dropped(database: Database) -> None:
    """It looks like one of the host's, and the fix of a trigger on the missing one would follow."""
    with closing(database.connect()) as connection:
        run(connection, "CREATE SCHEMA elsewhere; ALTER FUNCTION kms_uuidv7() SET SCHEMA elsewhere")
        run(connection, "ALTER TABLE hsm_configurations RENAME COLUMN id TO renamed")
        fixes = {each.object: each.remediation or "" for each in validate(connection).findings}
        assert fixes["column hsm_configurations.renamed"].startswith("-- manual action: ")


@pytest.mark.only_on("postgresql")
def test_a_name_of_a_host_ends_no_comment(database: Database) -> None:
    with closing(database.connect()) as connection:
        connection.execute("CREATE TABLE victim (id integer); ALTER TABLE key_masters ADD zz integer")
        connection.execute('CREATE VIEW "v\n;DROP TABLE victim; --" AS SELECT zz FROM key_masters')
        fixes = [each.remediation for each in validate(connection).findings if each.code == "KMS112"]
        assert [("\n" in fix, fix.startswith("-- manual action: view v")) for fix in map(str, fixes)] == [(False, True)]
