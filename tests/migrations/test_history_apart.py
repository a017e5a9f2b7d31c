"""An application keeps our history apart from its own: in another version table, or in another schema."""

import importlib.util
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from kms_schema.migrate.faults import MigrationError
from support.engines import Database
from support.programs.commands import kms_schema
from support.programs.shop import APART, EXAMPLE, Shop, ShopError, open_shop
from support.revisions import revisions
from support.rows.population import all_rows, populate
from support.statements import execute

SHOP_HEAD = "shop_0002"
OWN_TABLE = ("--version-table", "kms_alembic_version")


@pytest.fixture
def shop(tmp_path: Path, empty_database: Database) -> Shop:
    return open_shop(tmp_path / "shop", empty_database, APART)


def stamped(database: Database, table: str) -> list[str]:
    with closing(database.connect()) as connection:
        return [revision for (revision,) in execute(connection, f"SELECT version_num FROM {table}").fetchall()]  # noqa: S608


def by_the_program(shop: Shop) -> None:
    assert kms_schema("upgrade", *OWN_TABLE, url=shop.database.url).status == 0


def by_a_section_of_the_hosts_ini(shop: Shop) -> None:
    shop.alembic(
        "-n", "kms", "-x", "version-table=kms_alembic_version", "-x", f"url={shop.database.url}", "upgrade", "head"
    )


def by_the_application_itself(shop: Shop) -> None:
    keys_of_the_shop().upgrade_keys(shop.database.url)


def keys_of_the_shop() -> Any:
    """Return the example's module that upgrades, as the application would import it."""
    found = importlib.util.spec_from_file_location("keys_of_the_shop", EXAMPLE / "shop" / "keys.py")
    assert found is not None
    assert found.loader is not None
    module = importlib.util.module_from_spec(found)
    found.loader.exec_module(module)
    return module


@pytest.mark.parametrize("way", [by_the_program, by_a_section_of_the_hosts_ini, by_the_application_itself])
def test_each_history_goes_its_own_way(shop: Shop, way: Callable[[Shop], None]) -> None:
    database = shop.database
    shop.alembic("upgrade", "head")
    way(shop)
    assert stamped(database, "alembic_version") == [SHOP_HEAD]
    assert stamped(database, "kms_alembic_version") == [revisions()[-1]]
    assert shop.current() == {SHOP_HEAD}
    assert kms_schema("validate", *OWN_TABLE, url=database.url).status == 0
    assert "No new upgrade operations detected" in shop.alembic("check")
    with closing(database.connect()) as connection:
        populate(connection)
        kept = all_rows(connection)
        shop.alembic("downgrade", "base")
        assert all_rows(connection) == kept
    shop.alembic("upgrade", "head")
    assert kms_schema("downgrade", "base", "--allow-audit-loss", *OWN_TABLE, url=database.url).status == 0
    assert stamped(database, "alembic_version") == [SHOP_HEAD]
    with closing(database.connect()) as connection:
        assert execute(connection, "SELECT count(*) FROM customers").fetchone() == (0,)


def test_a_forgotten_version_table_is_reported_and_nothing_happens(shop: Shop) -> None:
    shop.alembic("upgrade", "head")
    said = kms_schema("upgrade", url=shop.database.url)
    assert said.status == 1
    assert "another application's with --version-table kms_alembic_version" in said.error
    assert stamped(shop.database, "alembic_version") == [SHOP_HEAD]
    with closing(shop.database.connect()) as connection:
        assert all_rows(connection) == {}


def test_the_application_gets_the_problem_in_one_sentence(tmp_path: Path) -> None:
    with pytest.raises(MigrationError, match=r"cannot connect to .*: create the folder first"):
        keys_of_the_shop().upgrade_keys(f"sqlite:///{tmp_path}/none/shop.db")


@pytest.mark.only_on("postgresql")
def test_in_a_schema_of_its_own_our_history_needs_no_other_name(shop: Shop) -> None:
    database = shop.database
    shop.alembic("upgrade", "head")
    assert kms_schema("upgrade", "--schema", "kms", url=database.url).status == 0
    assert stamped(database, "public.alembic_version") == [SHOP_HEAD]
    assert stamped(database, "kms.alembic_version") == [revisions()[-1]]
    assert kms_schema("validate", "--schema", "kms", url=database.url).status == 0
    assert "No new upgrade operations detected" in shop.alembic("-x", "kms-schema=kms", "check")
    with closing(database.connect()) as connection:
        execute(connection, "CREATE TABLE kms.of_the_shop (id integer)")
        with pytest.raises(ShopError, match=r"remove_table.*of_the_shop"):
            shop.alembic("-x", "kms-schema=kms", "check")
        execute(connection, "DROP TABLE kms.of_the_shop")
    assert kms_schema("downgrade", "base", "--schema", "kms", url=database.url).status == 0
    assert stamped(database, "public.alembic_version") == [SHOP_HEAD]
