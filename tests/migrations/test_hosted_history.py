"""An application has our revisions in its own history, as the branch `kms`."""

import re
import subprocess
import sys
from contextlib import closing
from pathlib import Path

import pytest

from support.catalog import catalog, differences
from support.engines import Database
from support.programs.commands import kms_schema
from support.programs.shop import EXAMPLE, ONE_HISTORY, Shop, ShopError, open_shop
from support.revisions import revisions
from support.rows.population import all_rows, populate
from support.rows.smallest import audit_entry, insert
from support.statements import execute
from tests.migrations.host_indexes import WANTED, indexed

SHOP_HEAD = "shop_0002"


@pytest.fixture
def shop(tmp_path: Path, empty_database: Database) -> Shop:
    return open_shop(tmp_path / "shop", empty_database, ONE_HISTORY)


def kms_head() -> str:
    return revisions()[-1]


def clean(database: Database, *options: str) -> None:
    said = kms_schema("validate", *options, url=database.url)
    assert said.status == 0, said.all


def test_both_branches_go_up_together_and_down_one_by_one(shop: Shop) -> None:
    shop.alembic("upgrade", "heads")
    assert shop.current() == {SHOP_HEAD, kms_head()}
    clean(shop.database)
    assert "No new upgrade operations detected" in shop.alembic("check")
    with closing(shop.database.connect()) as connection:
        populate(connection)
        execute(connection, "INSERT INTO customers (id, name) VALUES (1, 'Ada')")
        with pytest.raises(ShopError, match="would destroy the audit trail") as refused:
            shop.alembic("downgrade", "kms@base")
        assert "Traceback" not in str(refused.value)
        kept = all_rows(connection)
        assert shop.current() == {SHOP_HEAD, kms_head()}
        assert kept["key_masters"]
        shop.alembic("-x", "allow-audit-loss=yes", "downgrade", "kms@base")
        assert shop.current() == {SHOP_HEAD}
        assert execute(connection, "SELECT name FROM customers").fetchall() == [("Ada",)]
        before = catalog(connection)
        shop.alembic("upgrade", "kms@head")
        clean(shop.database)
        shop.alembic("downgrade", "kms@base")
        assert differences(before, catalog(connection)) == {}


def test_the_hosts_revisions_come_and_go_without_ours(shop: Shop) -> None:
    shop.alembic("upgrade", "kms@head")
    assert shop.current() == {kms_head()}
    shop.alembic("upgrade", "shop@head")
    with closing(shop.database.connect()) as connection:
        insert(connection, "key_audit_logs", **audit_entry())
    shop.alembic("downgrade", "shop@base")
    assert shop.current() == {kms_head()}
    clean(shop.database)


def test_our_branch_stops_at_the_revision_that_is_named(shop: Shop) -> None:
    before_head = revisions()[-2]
    shop.alembic("upgrade", before_head)
    assert shop.current() == {before_head}
    shop.alembic("upgrade", "kms@+1")
    assert shop.current() == {kms_head()}


def test_a_table_audit_logs_that_was_there_before_us_is_indexed_and_given_back(shop: Shop) -> None:
    shop.alembic("upgrade", "shop@head")
    with closing(shop.database.connect()) as connection:
        execute(
            connection,
            "INSERT INTO audit_logs (id, user_id, action_type, status, timestamp)"
            " VALUES (1, 7, 'LOGIN', 'OK', '2026-01-01T00:00:00+00:00')",
        )
        before = catalog(connection)
        shop.alembic("upgrade", "kms@head")
        assert indexed(connection) == WANTED | {("user_id",)}
        assert "No new upgrade operations detected" in shop.alembic("check")
        clean(shop.database)
        shop.alembic("downgrade", "kms@base")
        assert differences(before, catalog(connection)) == {}
        assert execute(connection, "SELECT count(*) FROM audit_logs").fetchone() == (1,)


def test_a_script_of_both_branches_can_be_written(shop: Shop) -> None:
    script = shop.alembic("upgrade", "heads", "--sql")
    assert "CREATE TABLE customers" in script
    assert f"VALUES ('{revisions()[0]}')" in script
    assert script.count("INSERT INTO alembic_version") == 2


STOCK_HOOKS = (
    "from kms_schema.models.autogenerate import include_name, include_object, render_item\n"
    "from shop.models import Base\ntarget_metadata = Base.metadata\n"
)


def test_an_environment_as_alembic_init_writes_it_can_host_us_too(tmp_path: Path, empty_database: Database) -> None:
    """With nothing but version_locations and the three hooks; our lock and timeouts are not to be had there."""
    shop = open_shop(tmp_path / "shop", empty_database, "alembic.ini")
    subprocess.run([sys.executable, "-m", "alembic", "init", "stock"], cwd=shop.folder, check=True, capture_output=True)
    ini = (shop.folder / "alembic.ini").read_text(encoding="utf-8")
    ours = (EXAMPLE / ONE_HISTORY).read_text(encoding="utf-8").replace("/one_history", "/stock")
    url = f"sqlalchemy.url = {empty_database.url.replace('%', '%%')}\n"
    logging = ini[ini.index("[loggers]") :]
    (shop.folder / "alembic.ini").write_text(f"{ours}{url}\n{logging}", encoding="utf-8")
    env = (shop.folder / "stock" / "env.py").read_text(encoding="utf-8")
    env = env.replace("target_metadata = None\n", STOCK_HOOKS)
    hooks = ("include_name", "include_object", "render_item")
    given = ", ".join(f"{name}={name}" for name in ("target_metadata", *hooks))
    env, replaced = re.subn(r"(connection=connection,) target_metadata=target_metadata", rf"\1 {given}", env)
    assert replaced == 1
    (shop.folder / "stock" / "env.py").write_text(env, encoding="utf-8")
    shop.alembic("upgrade", "heads")
    assert shop.current() == {SHOP_HEAD, kms_head()}
    clean(empty_database)
    assert "No new upgrade operations detected" in shop.alembic("check")
    shop.alembic("downgrade", "kms@base")
    assert shop.current() == {SHOP_HEAD}
