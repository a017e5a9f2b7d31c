"""Tables that Citus distributes are refused and reported.

Citus cannot be installed here: a superuser makes its catalog `pg_dist_partition`, which is all that is read of it.
"""

from contextlib import closing

import psycopg
import pytest

from kms_schema import validate
from support.engines import Database
from support.programs.commands import kms_schema
from support.statements import execute

pytestmark = [pytest.mark.only_on("postgresql"), pytest.mark.versions("oldest and newest")]

CATALOG = (
    "SET allow_system_table_mods = on;"
    'CREATE TABLE pg_catalog.pg_dist_partition (logicalrelid regclass NOT NULL, partmethod "char" NOT NULL,'
    ' partkey text, colocationid integer, repmodel "char", autoconverted boolean)'
)


def test_a_distributed_table_is_refused_and_reported(empty_database: Database) -> None:
    empty_database.alembic("upgrade", "006")
    with closing(empty_database.connect()) as connection:
        assert isinstance(connection, psycopg.Connection)
        execute(connection, "CREATE TABLE of_a_host (id integer)")
        execute(connection, CATALOG)
        execute(connection, "INSERT INTO pg_dist_partition VALUES ('of_a_host', 'n')")
        assert kms_schema("upgrade", url=empty_database.url).status == 0, "a table of the host is its own affair"
        assert "KMS459" not in {each.code for each in validate(connection).findings}
        assert kms_schema("downgrade", "006", url=empty_database.url).status == 0
        execute(connection, "INSERT INTO pg_dist_partition VALUES ('key_audit_logs', 'n'), ('key_masters', 'n')")
        found = {each.object for each in validate(connection).findings if each.code == "KMS459"}
        assert found == {"table key_audit_logs", "table key_masters"}
        for command in ("upgrade", "preflight"):
            said = kms_schema(command, url=empty_database.url)
            assert said.status == 1
            assert "Citus distributes key_audit_logs, key_masters in schema public" in said.all
        assert kms_schema("current", url=empty_database.url).out.startswith("006")
