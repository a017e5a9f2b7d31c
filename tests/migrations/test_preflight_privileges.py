"""The preflight where a session may not do what an upgrade needs."""

import multiprocessing
import os
import sqlite3
import tempfile
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import pytest
import sqlalchemy as sa

from kms_schema.migrate import program
from kms_schema.migrate.options import MigrationOptions
from kms_schema.preflight import preflight, sqlite
from support.engines import Database
from support.login_roles import drop_roles, login
from support.statements import execute
from tests.migrations.preflight_problems import only_problem

pytestmark = pytest.mark.versions("oldest and newest")


NOBODY = 65534


@pytest.mark.only_on("postgresql")
def test_missing_privileges_are_reported_with_the_grant(empty_database: Database) -> None:
    name = sa.make_url(empty_database.url).database
    with closing(empty_database.connect()) as connection:
        execute(connection, "REVOKE CREATE ON SCHEMA public FROM public")
    with login(empty_database) as other_role:
        role = sa.make_url(other_role.url).username
        assert only_problem(preflight(other_role.url)) == (
            f"role {role} may not create in schema public: migrate as its owner, or "
            f"GRANT CREATE ON SCHEMA public TO {role}"
        )
        assert f"GRANT CREATE ON DATABASE {name} TO {role}" in only_problem(
            preflight(other_role.url, options=MigrationOptions(schema="kms"))
        )
        with closing(empty_database.connect()) as connection:
            execute(connection, f"GRANT CREATE ON SCHEMA public TO {role}")
        assert preflight(other_role.url).go
        program.upgrade(other_role.url)


@pytest.mark.only_on("postgresql")
def test_tables_of_another_role_are_a_problem(empty_database: Database) -> None:
    empty_database.alembic("upgrade", "004")
    tables = ["key_masters", "key_versions", "rotation_policies", "key_rotations", "hsm_configurations"]
    privileges = [f"SELECT ON {table}" for table in [*tables, "key_audit_logs", "alembic_version"]]
    with login(empty_database, "CREATE ON SCHEMA public", *privileges) as other_role:
        role = sa.make_url(other_role.url).username
        problems = preflight(other_role.url).problems
        assert [problem for problem in problems if "belongs to another role" in problem] == [
            f"public.{table} belongs to another role: migrate as its owner, or as a member of that role"
            for table in sorted([*tables, "key_audit_logs"])
        ]
        assert f"role {role} may not read and write public.alembic_version: migrate as its owner" in problems
        group = f"{role}_owner"
        with closing(empty_database.connect()) as connection:
            execute(connection, f"CREATE ROLE {group}; ALTER TABLE alembic_version OWNER TO {group}")
        problems = preflight(other_role.url).problems
        with closing(empty_database.connect()) as connection:
            drop_roles(connection, group)
        table = "public.alembic_version"
        assert f"role {role} may not read and write {table}: migrate as its owner (GRANT {group} TO {role})" in problems


@pytest.mark.only_on("postgresql")
def test_a_server_that_is_read_only_is_a_problem(empty_database: Database) -> None:
    with closing(empty_database.connect()) as connection:
        name = sa.make_url(empty_database.url).database
        execute(connection, f"ALTER DATABASE {name} SET default_transaction_read_only = on")
    assert "migrate on the primary" in only_problem(preflight(empty_database.url))


def as_nobody(look: Callable[[], None]) -> None:
    """Run `look` in a process that root's privileges do not help."""
    process = multiprocessing.get_context("fork").Process(target=_without_privileges, args=(look,))
    process.start()
    process.join()
    assert process.exitcode == 0


def _without_privileges(look: Callable[[], None]) -> None:
    if os.geteuid() == 0:
        os.setgroups([])
        os.setresgid(NOBODY, NOBODY, NOBODY)
        os.setresuid(NOBODY, NOBODY, NOBODY)
    look()


@pytest.mark.parametrize("unwritable", ["file", "folder"])
def test_a_file_or_folder_that_cannot_be_written_is_a_problem(unwritable: str) -> None:
    # pytest's own folders are closed to other users.
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "kms.db"
        with closing(sqlite3.connect(file)) as connection:
            connection.execute("CREATE TABLE theirs (id integer)")
        if os.geteuid() == 0:
            for each in (folder, file):
                os.chown(each, NOBODY, NOBODY)
        blocked = {"file": file, "folder": Path(folder)}[unwritable]
        blocked.chmod(0o400 if unwritable == "file" else 0o500)

        # Planned beforehand: a user without privileges cannot even read this checkout.
        plan, engine = preflight(f"sqlite:///{file}").plan, sa.create_engine(f"sqlite:///{file}")

        def look() -> None:
            with engine.connect() as connection:
                (problem,) = sqlite.problems(connection, plan, file)
                assert problem.startswith(f"{blocked} cannot be written")

        as_nobody(look)
        Path(folder).chmod(0o700)
