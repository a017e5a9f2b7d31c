"""A host's autogenerate proposes nothing for our objects, and everything for the host's own."""

import re
import warnings
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa
from alembic.autogenerate import compare_metadata
from alembic.runtime.migration import MigrationContext

from kms_schema.migrate import program
from kms_schema.migrate.options import MigrationOptions
from kms_schema.models import Base as OurBase
from kms_schema.models.autogenerate import hooks_for_host
from support.engines import Database
from support.programs.shop import APART, ONE_HISTORY, Shop, open_shop
from support.statements import execute

SECRETS = '''
from kms_schema.envelope_format import EnvelopeFormat
from kms_schema.keyring import EncryptedColumn
from kms_schema.models import UtcTimestamp, current_time
from kms_schema.models.base import JsonDocument, vocabulary_column
from kms_schema.models.envelopes import EnvelopeBytes
from kms_schema.vocabulary import KeyStatus


class Converted(EncryptedColumn):
    cache_ok = True


class Secret(Base):
    """Something of a customer's that is encrypted."""

    __tablename__ = "secrets"

    id: Mapped[int] = mapped_column(primary_key=True)
    key_id: Mapped[str] = mapped_column(sa.ForeignKey("key_masters.key_id"), index=True)
    text: Mapped[str] = mapped_column(EncryptedColumn("orders"))
    bound: Mapped[bytes] = mapped_column(EncryptedColumn("orders", row=("key_id",), value_type=bytes))
    converted: Mapped[str] = mapped_column(Converted("orders"))
    envelope: Mapped[bytes] = mapped_column(EnvelopeBytes(*EnvelopeFormat))
    at: Mapped[dt.datetime] = mapped_column(UtcTimestamp, server_default=current_time())
    document: Mapped[dict[str, str]] = mapped_column(JsonDocument)
    status: Mapped[KeyStatus] = mapped_column(vocabulary_column(KeyStatus))
'''
OUR_MODELS = """

from kms_schema.models import Base as KeyBase

for _table in KeyBase.metadata.tables.values():
    _table.to_metadata(Base.metadata)
"""


@contextmanager
def comparing(database: Database, **configuration: Any) -> Iterator[MigrationContext]:
    engine = sa.create_engine(database.url)
    try:
        with engine.connect() as connection:
            yield MigrationContext.configure(connection, opts=configuration)
    finally:
        engine.dispose()


def proposed(database: Database, metadata: sa.MetaData, **configuration: Any) -> list[tuple[str, str]]:
    """Return the kind of each operation that autogenerate proposes, and the name of what it is about."""
    with comparing(database, **configuration) as context:
        return sorted((kind, item.name) for kind, item, *_ in compare_metadata(context, metadata))


@pytest.mark.filterwarnings("ignore:.*idx_key_(rotations_failed|masters_rotation)_partial")
def test_without_the_hooks_everything_of_ours_would_go(database: Database) -> None:
    would_go = proposed(database, sa.MetaData())
    assert {("remove_table", table) for table in ("key_masters", "key_audit_logs")} <= set(would_go)
    assert proposed(database, sa.MetaData(), **hooks_for_host()) == []


def test_what_is_left_out_by_name_is_not_even_read(database: Database) -> None:
    """As far as Alembic reads table by table; or SQLAlchemy would warn of an index on SQLite that it cannot read."""
    metadata = sa.MetaData()
    sa.Table("invoices", metadata, sa.Column("id", sa.Integer, primary_key=True))
    with closing(database.connect()) as connection:
        execute(connection, "CREATE TABLE invoices (id integer NOT NULL PRIMARY KEY)")
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert proposed(database, metadata, **hooks_for_host()) == []


@pytest.mark.filterwarnings("ignore:.*idx_key_(rotations_failed|masters_rotation)_partial")
def test_models_of_ours_in_the_hosts_metadata_are_not_made_again(database: Database) -> None:
    metadata = sa.MetaData()
    for table in OurBase.metadata.tables.values():
        table.to_metadata(metadata)
    sa.Table("key_health_monitor", metadata, sa.Column("key_id", sa.String(64)))  # mapped to be read
    invoices = sa.Table("invoices", metadata, sa.Column("key_id", sa.ForeignKey("key_masters.key_id"), index=True))
    assert proposed(database, metadata, **hooks_for_host()) == [
        ("add_index", "ix_invoices_key_id"),
        ("add_table", "invoices"),
    ]
    with closing(database.connect()) as connection:
        execute(connection, "CREATE TABLE invoices (key_id varchar(64) REFERENCES key_masters (key_id))")
    metadata.remove(invoices)
    assert proposed(database, metadata, **hooks_for_host()) == [("remove_table", "invoices")]


@pytest.mark.only_on("postgresql")
def test_a_table_of_the_same_name_in_another_schema_is_the_hosts(empty_database: Database) -> None:
    program.upgrade(empty_database.url, options=MigrationOptions(schema="kms", version_table="history_of_keys"))
    with closing(empty_database.connect()) as connection:
        for schema in ("public", "shop"):
            execute(connection, f"CREATE SCHEMA IF NOT EXISTS {schema}")
            execute(connection, f"CREATE TABLE {schema}.key_masters (id integer)")
        execute(connection, "CREATE TABLE kms.notes_of_the_host (id integer)")
    hooks = hooks_for_host("kms", version_table="history_of_keys")
    with comparing(empty_database, include_schemas=True, **hooks) as context:
        found = compare_metadata(context, sa.MetaData())
    assert sorted((kind, table.schema or "", table.name) for kind, table in found) == [
        ("remove_table", "", "key_masters"),
        ("remove_table", "kms", "notes_of_the_host"),
        ("remove_table", "shop", "key_masters"),
    ]


def body_of_upgrade(revision: str) -> str:
    return revision.partition("def upgrade()")[2].partition("def downgrade()")[0]


@pytest.fixture
def shop(tmp_path: Path, empty_database: Database) -> Shop:
    return open_shop(tmp_path / "shop", empty_database, ONE_HISTORY)


def test_a_revision_that_alembic_writes_for_a_host_holds_the_hosts_changes_alone(shop: Shop) -> None:
    shop.alembic("upgrade", "shop@head")
    shop.alembic("upgrade", "kms@head")
    where = ("--head", "shop@head", "--version-path", "versions")
    shop.add_model(OUR_MODELS)
    assert "No new upgrade operations detected" in shop.alembic("check")
    shop.add_model(SECRETS)
    written = shop.autogenerated(*where, "--depends-on", "004_create_key_management_system")
    body = body_of_upgrade(written)
    assert re.findall(r"op\.(\w+)\(\s*(?:op\.f\()?'(\w+)'", body) == [
        ("create_table", "secrets"),
        ("create_index", "ix_secrets_key_id"),
    ]
    assert "['key_masters.key_id']" in body
    shop.alembic("upgrade", "heads")
    assert "No new upgrade operations detected" in shop.alembic("check")
    shop.alembic("downgrade", "shop@-1")
    shop.alembic("downgrade", "kms@base")


def test_an_environment_of_the_hosts_own_leaves_a_history_alone_that_is_kept_apart(
    tmp_path: Path, empty_database: Database
) -> None:
    shop = open_shop(tmp_path / "shop", empty_database, APART)
    shop.alembic("upgrade", "head")
    program.upgrade(empty_database.url, options=MigrationOptions(version_table="kms_alembic_version"))
    assert "No new upgrade operations detected" in shop.alembic("check")
    shop.add_model(SECRETS.replace('sa.ForeignKey("key_masters.key_id"), ', ""))
    written = shop.autogenerated()
    body = body_of_upgrade(written)
    assert re.findall(r"op\.(?:create|drop|add|alter)\w*\(\s*(?:op\.f\()?'(\w+)'", body) == [
        "secrets",
        "ix_secrets_key_id",
    ]
    assert "kms_schema" not in written, "a revision needs neither our types nor the names of keys"
    shop.alembic("upgrade", "head")
    assert "No new upgrade operations detected" in shop.alembic("check")
