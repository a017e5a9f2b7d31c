"""`alembic … --sql` writes scripts that do what the command itself does."""

import subprocess
from contextlib import closing
from itertools import pairwise
from pathlib import Path

import pytest
import sqlalchemy as sa

from kms_schema.snapshots import chain
from support.catalog import Catalog, catalog, differences
from support.engines import Database
from support.engines.sqlite_shell import install_sqlite_shell
from support.rows.population import all_rows, populate
from support.rows.smallest import audit_entry, insert
from support.statements import execute
from tests.migrations.scripts import ScriptFailedError, run

pytestmark = pytest.mark.versions("all")


def catalog_of(database: Database) -> Catalog:
    with closing(database.connect()) as connection:
        found = catalog(connection)
    if database.dialect == "sqlite" and "table alembic_version" in found:
        # Alembic prints its own statement with other white space than it runs, and SQLite keeps the text.
        version = found["table alembic_version"]
        version["sql"] = " ".join(version["sql"].split())
    return found


def test_the_script_of_an_upgrade_makes_the_same_database(database: Database, empty_database: Database) -> None:
    run(empty_database, empty_database.alembic("upgrade", "head", "--sql"))
    assert differences(catalog_of(database), catalog_of(empty_database)) == {}
    assert empty_database.alembic("current") == database.alembic("current")
    with closing(empty_database.connect()) as connection:
        populate(connection)


@pytest.mark.only_on("sqlite")
def test_the_shell_of_sqlite_runs_scripts_up_and_down(
    database: Database, empty_database: Database, tmp_path: Path
) -> None:
    shell, file = install_sqlite_shell(tmp_path), sa.make_url(empty_database.url).database

    def read(script: str) -> subprocess.CompletedProcess[str]:
        command = [str(shell), "-bail", str(file)]
        return subprocess.run(command, input=script, text=True, capture_output=True, check=False)

    made = read(empty_database.alembic("upgrade", "head", "--sql"))
    assert (made.returncode, made.stderr) == (0, "")
    assert differences(catalog_of(database), catalog_of(empty_database)) == {}
    with closing(empty_database.connect()) as connection:
        insert(connection, "key_audit_logs", **audit_entry())
    refused = read(empty_database.alembic("downgrade", "head:004", "--sql").replace("COMMIT;", "SELECT nothing;"))
    assert (refused.returncode, "nothing" in refused.stderr) == (1, True)
    assert differences(catalog_of(database), catalog_of(empty_database)) == {}
    database.alembic("downgrade", "004")
    taken_back = read(empty_database.alembic("downgrade", "head:004", "--sql"))
    assert (taken_back.returncode, taken_back.stderr) == (0, "")
    assert differences(catalog_of(database), catalog_of(empty_database)) == {}


def test_scripts_of_single_revisions_join_up(database: Database, empty_database: Database) -> None:
    numbers = [revision[:3] for revision in chain()]
    for step in (numbers[0], *(":".join(pair) for pair in pairwise(numbers))):
        run(empty_database, empty_database.alembic("upgrade", step, "--sql"))
    assert differences(catalog_of(database), catalog_of(empty_database)) == {}


def test_the_script_of_a_downgrade_does_what_the_downgrade_does(empty_database: Database, database: Database) -> None:
    empty_database.alembic("upgrade", "head")
    empty_database.alembic("downgrade", "base")
    run(database, database.alembic("downgrade", "head:base", "--sql").replace("DROP TABLE alembic_version;", ""))
    assert differences(catalog_of(empty_database), catalog_of(database)) == {}


def test_the_script_of_a_downgrade_stops_at_an_audit_trail(database: Database) -> None:
    with closing(database.connect()) as connection:
        insert(connection, "key_audit_logs", **audit_entry())
        trail = all_rows(connection)["key_audit_logs"]
        with pytest.raises(ScriptFailedError, match="audit"):
            run(database, database.alembic("downgrade", "head:003", "--sql"))
        assert all_rows(connection)["key_audit_logs"] == trail


def test_the_script_of_a_permitted_downgrade_removes_populated_tables(database: Database) -> None:
    with closing(database.connect()) as connection:
        populate(connection)
        script = database.alembic("-x", "allow-audit-loss=yes", "downgrade", "head:003", "--sql")
        run(database, script)
        assert all_rows(connection) == {}


def test_the_script_indexes_a_hosts_table(empty_database: Database, engine_name: str) -> None:
    with closing(empty_database.connect()) as connection:
        execute(connection, 'CREATE TABLE audit_logs (user_id varchar(40), "timestamp" varchar(40))')
    run(empty_database, empty_database.alembic("upgrade", "003", "--sql"))
    made = [name for name in catalog_of(empty_database) if name.startswith("index") and "audit_logs" in name]
    # SQLite has no conditional DDL: the script says in a comment what to add.
    assert len(made) == (0 if engine_name.startswith("sqlite") else 2)


def test_scripts_contain_nothing_of_this_machine(database: Database) -> None:
    script = database.alembic("upgrade", "head", "--sql")
    assert str(Path.cwd()) not in script
    assert database.url not in script
