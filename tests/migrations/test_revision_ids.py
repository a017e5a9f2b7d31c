"""A host calls its revisions as ours begin: a version table has whole ids, and a person may type the beginning."""

import json
from contextlib import closing
from pathlib import Path

import pytest

from support.catalog import catalog, differences
from support.engines import Database
from support.programs.commands import kms_schema
from support.programs.shop import ONE_HISTORY, Shop, ShopError, open_shop
from support.revisions import revisions
from support.statements import execute

IDS = tuple(f"{number:03}" for number in range(3, 12))
OURS = {each[:3]: each for each in revisions()}
COMMANDS = ("upgrade", "upgrade 005", "downgrade 004", "downgrade base", "current", "stamp 005", "preflight")
REVISION = """
import sqlalchemy as sa
from alembic import op

revision = "{revision}"
down_revision = {below!r}
branch_labels = {labels!r}
depends_on = None


def upgrade():
    op.create_table("host_{revision}", sa.Column("id", sa.Integer, primary_key=True))


def downgrade():
    op.drop_table("host_{revision}")
"""


def write_history(folder: Path) -> None:
    """Write the host's revisions 003 to 011, each with a table."""
    for file in folder.glob("*.py"):
        file.unlink()
    for below, revision in zip((None, *IDS), IDS, strict=False):
        text = REVISION.format(revision=revision, below=below, labels=None if below else ("shop",))
        (folder / f"{revision}_host.py").write_text(text, encoding="utf-8")


@pytest.fixture
def shop(tmp_path: Path, empty_database: Database) -> Shop:
    made = open_shop(tmp_path / "shop", empty_database, ONE_HISTORY)
    write_history(made.folder / "versions")
    return made


def host_tables(shop: Shop) -> set[str]:
    catalogs = {
        "postgresql": "SELECT tablename FROM pg_catalog.pg_tables WHERE schemaname = 'public'",
        "sqlite": "SELECT name FROM sqlite_schema WHERE type = 'table'",
    }
    with closing(shop.database.connect()) as connection:
        names = {name for (name,) in execute(connection, catalogs[shop.database.dialect])}
    return {revision for revision in IDS if f"host_{revision}" in names}


def stamped(shop: Shop) -> set[str]:
    with closing(shop.database.connect()) as connection:
        return {revision for (revision,) in execute(connection, "SELECT version_num FROM alembic_version")}


def test_a_version_table_of_a_host_is_not_taken_for_ours(empty_database: Database) -> None:
    with closing(empty_database.connect()) as connection:
        execute(connection, "CREATE TABLE alembic_version (version_num varchar(32) NOT NULL PRIMARY KEY)")
        for revision in IDS:
            execute(connection, "DELETE FROM alembic_version")
            execute(connection, "INSERT INTO alembic_version VALUES (:revision)", {"revision": revision})
            before = catalog(connection)
            for command in COMMANDS if revision in {"003", "007", "011"} else COMMANDS[:1]:
                said = kms_schema(*command.split(), url=empty_database.url)
                assert (said.status, said.out) == (1, ""), (revision, command, said.all)
                assert f"alembic_version has the unknown revision '{revision}'" in said.error
            assert differences(before, catalog(connection)) == {}
            assert execute(connection, "SELECT * FROM alembic_version").fetchall() == [(revision,)]
        said = kms_schema("validate", "--format", "json", url=empty_database.url)
        assert said.status == 1
        assert ("KMS003", IDS[-1]) in {(each["code"], each["actual"]) for each in json.loads(said.out)["findings"]}


def test_an_id_that_is_typed_is_the_hosts_where_it_is_exact(shop: Shop) -> None:
    shop.alembic("upgrade", "005")
    assert stamped(shop) == {"005"}
    assert host_tables(shop) == {"003", "004", "005"}
    shop.alembic("upgrade", "kms@005")
    assert stamped(shop) == {"005", OURS["005"]}
    shop.alembic("downgrade", "kms@004")
    assert stamped(shop) == {"005", OURS["004"]}
    assert host_tables(shop) == {"003", "004", "005"}
    shop.alembic("upgrade", "kms@004+1")
    assert stamped(shop) == {"005", OURS["005"]}
    shop.alembic("upgrade", OURS["006"])
    assert stamped(shop) == {"005", OURS["006"]}
    shop.alembic("stamp", "kms@005")
    assert stamped(shop) == {"005", OURS["005"]}
    shop.alembic("stamp", "kms@006")
    shop.alembic("upgrade", "heads")
    assert stamped(shop) == {"011", revisions()[-1]}
    shop.alembic("downgrade", "003")
    assert stamped(shop) == {"003", revisions()[-1]}
    said = kms_schema("validate", url=shop.database.url)
    assert said.status == 0, said.all
    current = json.loads(kms_schema("current", "--format", "json", url=shop.database.url).out)
    assert current == {"current": ["003", revisions()[-1]], "head": revisions()[-1], "behind": 0}


def test_the_program_goes_no_further_beside_revisions_of_a_host(shop: Shop) -> None:
    shop.alembic("upgrade", "kms@004")
    shop.alembic("upgrade", "005")
    for command in ("upgrade", "downgrade 003", "stamp 006 --unverified", "preflight"):
        said = kms_schema(*command.split(), url=shop.database.url)
        assert said.status == 1, said.all
        assert "unknown revision '005' beside 004_create_key_management_system" in said.error
    assert stamped(shop) == {"005", OURS["004"]}


def test_a_prefix_of_several_revisions_is_refused(shop: Shop) -> None:
    with pytest.raises(ShopError, match="Can't locate revision identified by '00'"):
        shop.alembic("upgrade", "kms@00")
    assert host_tables(shop) == set()


@pytest.mark.parametrize("revision", ["", "@", "kms@", OURS["007"].upper(), f"{OURS['007']} ", "heads", "%"])
def test_an_odd_id_in_the_version_table_is_unknown(database: Database, revision: str) -> None:
    with closing(database.connect()) as connection:
        execute(connection, "UPDATE alembic_version SET version_num = :revision", {"revision": revision})
    for command in ("upgrade", "downgrade 006", "stamp 007", "current", "preflight", "validate"):
        said = kms_schema(*command.split(), url=database.url)
        assert said.status == 1, said.all
        assert "unknown revision" in said.all


def test_a_prefix_in_the_version_table_is_not_ours(database: Database) -> None:
    with closing(database.connect()) as connection:
        execute(connection, "UPDATE alembic_version SET version_num = '005'")
        assert kms_schema("upgrade", url=database.url).status == 1
        execute(connection, "UPDATE alembic_version SET version_num = :whole", {"whole": revisions()[-1]})
    assert kms_schema("upgrade", "007", url=database.url).status == 0


def test_two_revisions_of_one_history_are_refused_until_one_is_deleted(database: Database) -> None:
    """A downgrade would go on from the higher one, and leave the other in the table."""
    with closing(database.connect()) as connection:
        execute(connection, f"INSERT INTO alembic_version VALUES ('{OURS['004']}')")  # noqa: S608
        before = catalog(connection)
        for command in ("upgrade", "downgrade 006", "preflight"):
            said = kms_schema(*command.split(), url=database.url)
            assert said.status == 1, said.all
            assert f"has {OURS['004']} beside {OURS['007']}, which comes after it" in said.error
        assert differences(before, catalog(connection)) == {}
        execute(connection, f"DELETE FROM alembic_version WHERE version_num = '{OURS['004']}'")  # noqa: S608
    assert kms_schema("upgrade", url=database.url).status == 0
