"""Migrations on a hardened database: refused before they begin, and done in a window that the trail records."""

import re
import secrets
import shlex
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import psycopg
import pytest

from kms_schema import validate
from kms_schema.hardening.applying import apply, remove
from kms_schema.hardening.definition import event_triggers, hardening_schema
from kms_schema.hardening.statements import event_trigger_statement, function_statement
from kms_schema.migrate import program
from kms_schema.migrate.faults import MigrationError
from kms_schema.roles.definition import Role
from kms_schema.snapshots import chain
from kms_schema.validator.checks.hardening import is_in_force
from support.catalog import catalog
from support.engines import Database
from support.engines.programs import REPOSITORY
from support.login_roles import drop_roles
from support.programs.commands import kms_schema
from support.programs.shop import ONE_HISTORY, open_shop
from support.reports import found
from support.statements import execute

pytestmark = [pytest.mark.only_on("postgresql"), pytest.mark.versions("oldest and newest")]

PAGE = REPOSITORY / "docs" / "hardening.md"
ENTRIES = """SELECT additional_metadata ->> 'hardening' FROM key_audit_logs
    WHERE event_type = 'RIGHTS_CHANGED' ORDER BY sequence"""


@pytest.fixture
def connection(database: Database) -> Iterator[psycopg.Connection]:
    with closing(database.connect()) as opened:
        assert isinstance(opened, psycopg.Connection)
        yield opened


def entries(connection: psycopg.Connection) -> list[str]:
    return [row[0] for row in execute(connection, ENTRIES).fetchall()]


def guard(connection: psycopg.Connection, revision: str) -> None:
    """Make what guards an older revision, as the command of an older version of the package did."""
    execute(connection, f"CREATE SCHEMA {hardening_schema('public')}")
    for trigger in event_triggers("public"):
        execute(connection, function_statement("public", trigger, revision))
        execute(connection, event_trigger_statement("public", trigger))


@pytest.mark.parametrize("words", [("downgrade", "005"), ("downgrade", "base", "--allow-audit-loss")])
def test_a_migration_without_a_window_changes_nothing(
    database: Database, connection: psycopg.Connection, words: tuple[str, ...]
) -> None:
    apply(connection)
    before = catalog(connection)
    said = kms_schema(*words, url=database.url)
    assert said.status == 1
    assert "kms-schema harden --remove" in said.error
    assert catalog(connection) == before


def test_an_upgrade_without_a_window_changes_nothing(database: Database, connection: psycopg.Connection) -> None:
    """A window that was closed too early: at 005, whose upgrade would build indexes CONCURRENTLY among others."""
    database.alembic("downgrade", "004")
    guard(connection, chain()[1])
    before = catalog(connection)
    with pytest.raises(MigrationError, match="harden --remove"):
        program.upgrade(database.url)
    preflight = kms_schema("preflight", url=database.url)
    assert preflight.status == 1
    assert "harden --remove" in preflight.all
    assert catalog(connection) == before


def test_a_database_at_an_older_revision_is_compared_with_what_guards_that(
    database: Database, connection: psycopg.Connection
) -> None:
    database.alembic("downgrade", "004")
    guard(connection, chain()[1])
    codes = [each.code for each in validate(connection).findings]
    assert "KMS002" in codes
    assert "KMS442" not in codes
    with pytest.raises(psycopg.errors.ObjectNotInPrerequisiteState, match=r"has no audit_key_change, .* more"):
        apply(connection)


def test_in_a_window_it_goes_down_and_up_and_the_trail_says_so(
    database: Database, connection: psycopg.Connection
) -> None:
    assert apply(connection)
    assert not apply(connection)
    assert remove(connection)
    assert not remove(connection)
    database.alembic("downgrade", "006")
    database.alembic("upgrade", "head")
    execute(connection, "SET kms.actor = 'the deployer'")
    assert apply(connection)
    assert found(validate(connection)) == []
    assert entries(connection) == ["applied", "removed", "applied"]
    who = "SELECT user_id, recorded_by FROM key_audit_logs ORDER BY sequence DESC LIMIT 1"
    assert execute(connection, who).fetchone() == ("the deployer", connection.info.user)


def test_there_is_no_entry_without_the_change_and_no_change_without_it(connection: psycopg.Connection) -> None:
    apply(connection)
    with connection.transaction(force_rollback=True):
        remove(connection)
    assert entries(connection) == ["applied"]
    state = "SELECT count(*) FROM pg_event_trigger WHERE evtenabled = 'A'"
    assert execute(connection, state).fetchone() == (4,)


def test_nothing_is_done_where_its_entry_is_swallowed(connection: psycopg.Connection) -> None:
    execute(connection, "CREATE RULE mute AS ON INSERT TO key_audit_logs DO INSTEAD NOTHING")
    with pytest.raises(psycopg.errors.ObjectNotInPrerequisiteState, match="discarded"):
        apply(connection)
    assert execute(connection, "SELECT FROM pg_event_trigger").fetchall() == []


def test_what_upgrades_is_not_held_up_where_there_is_nothing_to_do(
    database: Database, connection: psycopg.Connection
) -> None:
    apply(connection)
    assert kms_schema("upgrade", url=database.url).status == 0
    assert kms_schema("current", url=database.url).status == 0
    database.alembic("check")


def test_the_window_of_the_page_as_it_is_written(database: Database, connection: psycopg.Connection) -> None:
    """But for a prefix of the test's own, since roles are the whole server's."""
    prefix = f"t{secrets.token_hex(4)}_"
    database.alembic("downgrade", "006")
    guard(connection, "006_prove_audit_trail")
    (block,) = re.findall(r"<!-- a window -->\n```sh\n(.*?)```", PAGE.read_text(encoding="utf-8"), re.DOTALL)
    try:
        for line in block.splitlines():
            words = shlex.split(line.replace("roles --apply", f"roles --apply --prefix {prefix}"))[1:]
            said = kms_schema(*words, url=database.url)
            assert said.status == 0, said.all
        assert is_in_force(validate(connection).findings)
    finally:
        remove(connection)
        drop_roles(connection, *(prefix + role for role in Role))


def test_a_hosts_own_revisions_run(empty_database: Database, tmp_path: Path) -> None:
    shop = open_shop(tmp_path / "shop", empty_database, ONE_HISTORY)
    shop.alembic("upgrade", "heads")
    with closing(empty_database.connect()) as connection:
        assert isinstance(connection, psycopg.Connection)
        apply(connection)
        shop.alembic("downgrade", "shop@shop_0001")
        stamped = execute(connection, "SELECT version_num FROM alembic_version").fetchall()
        assert {row[0] for row in stamped} == {"shop_0001", chain()[-1]}
        assert found(validate(connection)) == []
