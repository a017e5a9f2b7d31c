"""Which names and objects autogenerate is told to leave alone, and that the host's own hooks decide about the rest."""

from types import SimpleNamespace
from typing import Any

import pytest
import sqlalchemy as sa

from kms_schema import snapshots
from kms_schema.keyring import EncryptedColumn
from kms_schema.models import Base, KeyMaster
from kms_schema.models.autogenerate import Hooks, hooks_for_host, include_name, include_object
from kms_schema.validator.catalog.attributes import kind_and_name

OURS = [*sorted(Base.metadata.tables), "alembic_version"]
VIEWS = ("key_management_dashboard", "key_health_monitor", "rotations_due")
HOST = sa.MetaData()
INVOICES = sa.Table("invoices", HOST, sa.Column("id", sa.Integer), sa.Index("ix_invoices_id", "id"))


def of_name(hooks: Hooks, name: str, kind: str = "table", schema: str | None = None, table: str | None = None) -> bool:
    parents = {"schema_name": schema} | ({"table_name": table} if table else {})
    return hooks["include_name"](name, kind, parents)


def of_object(hooks: Hooks, item: Any, kind: str, *, name: str | None = None, reflected: bool = True) -> bool:
    return hooks["include_object"](item, name or item.name, kind, reflected, None)


def named(name: str, schema: str | None = None) -> sa.Table:
    return sa.Table(name, sa.MetaData(), sa.Column("id", sa.Integer), schema=schema)


@pytest.mark.parametrize("name", [*OURS, *VIEWS])
def test_our_tables_and_views_are_left_out_and_those_of_the_host_are_not(name: str) -> None:
    assert not include_name(name, "table", {"schema_name": None})
    assert not include_object(named(name), name, "table", True, None)
    assert not include_object(named(name), name, "table", False, None), "as models in the host's metadata"
    assert include_name(f"{name}_of_ours", "table", {"schema_name": None})
    assert include_object(named(f"{name}_of_ours"), f"{name}_of_ours", "table", True, None)


@pytest.mark.parametrize("name", OURS)
def test_a_table_of_the_same_name_in_another_schema_is_the_hosts(name: str) -> None:
    for ours, theirs in ((None, "shop"), ("public", "kms")):
        hooks = hooks_for_host()
        assert not of_name(hooks, name, schema=ours)
        assert not of_object(hooks, named(name, ours), "table")
        assert of_name(hooks, name, schema=theirs)
        assert of_object(hooks, named(name, theirs), "table")
    hooks = hooks_for_host("kms")
    assert not of_name(hooks, name, schema="kms")
    assert of_name(hooks, name, schema=None)
    assert of_object(hooks, named(name, "public"), "table")
    elsewhere = hooks_for_host(default_schema="shop")
    assert of_name(elsewhere, name, schema=None), "no schema means that of the host's search path"
    assert not of_name(elsewhere, name, schema="public")
    assert not of_name(hooks_for_host("kms", default_schema="kms"), name, schema=None)


def test_parts_of_our_tables_are_left_out_and_parts_of_the_hosts_are_not() -> None:
    hooks = hooks_for_host()
    table = KeyMaster.__table__
    assert isinstance(table, sa.Table)
    parts = [*((column, "column") for column in table.columns), *((index, "index") for index in table.indexes)]
    kinds = {sa.UniqueConstraint: "unique_constraint", sa.ForeignKeyConstraint: "foreign_key_constraint"}
    parts += [(part, kind) for part in table.constraints for shape, kind in kinds.items() if isinstance(part, shape)]
    assert {kind for _, kind in parts} >= {"column", *kinds.values()}
    for part, kind in parts:
        assert not of_object(hooks, part, kind), part
        assert not of_name(hooks, str(part.name), kind, table="key_masters"), part
        assert of_name(hooks, str(part.name), kind, table="invoices"), part
    assert of_object(hooks, INVOICES.c.id, "column")
    assert of_object(hooks, next(iter(INVOICES.indexes)), "index")


def test_indexes_that_revision_003_puts_on_the_hosts_table_are_left_out_and_no_others() -> None:
    hooks = hooks_for_host()
    audit_logs = sa.Table("audit_logs", sa.MetaData(), sa.Column("timestamp", sa.DateTime))
    ours = sa.Index("idx_kms_audit_logs_timestamp", audit_logs.c.timestamp)
    theirs = sa.Index("ix_audit_logs_timestamp", audit_logs.c.timestamp)
    assert not of_object(hooks, ours, "index")
    assert of_object(hooks, theirs, "index")
    assert of_object(hooks, audit_logs, "table")
    assert of_object(hooks, audit_logs.c.timestamp, "column")
    assert not of_name(hooks, "idx_kms_audit_logs_timestamp", "index", table="audit_logs")
    assert of_name(hooks, "idx_kms_audit_logs_timestamp", "index", schema="shop", table="audit_logs")
    assert of_name(hooks, "idx_kms_audit_logs_timestamp", "index", table="invoices")


def test_the_version_table_is_left_out_where_our_objects_are() -> None:
    hooks = hooks_for_host("kms", version_table="kms_alembic_version")
    assert not of_name(hooks, "kms_alembic_version", schema="kms")
    assert of_name(hooks, "kms_alembic_version")
    assert not of_name(hooks, "alembic_version", schema="kms")
    assert of_name(hooks, "alembic_version")


def test_a_schema_is_looked_into_since_there_may_be_tables_of_the_hosts_in_it() -> None:
    hooks = hooks_for_host("kms")
    assert of_name(hooks, "kms", "schema")
    assert hooks["include_name"](None, "schema", {})


def test_what_plugins_compare_is_left_out_by_its_kind_and_name() -> None:
    """As alembic_utils calls the hooks: an object with a schema, its signature, and a kind of its own."""
    hooks = hooks_for_host("kms")
    kinds = {"view": "view", "materialized view": "materialized_view", "function": "function", "trigger": "trigger"}
    seen = set()
    for key in snapshots.load("postgresql", snapshots.chain()[-1], "18"):
        kind, name = kind_and_name(key)
        if kind in kinds:
            seen.add(kind)
            plain = name.rpartition(".")[2] if kind == "trigger" else name
            for schema, left_out in (("kms", True), ("public", False)):
                item = SimpleNamespace(schema=schema)
                assert of_object(hooks, item, kinds[kind], name=plain) is not left_out, (key, schema)
    assert seen == set(kinds)
    theirs = SimpleNamespace(schema="kms")
    assert of_object(hooks, theirs, "function", name="refresh_invoices()")
    assert of_object(hooks, theirs, "trigger", name="touch_updated_at"), "our function of that name is no trigger"


def test_the_hosts_own_hooks_decide_about_the_hosts_objects_and_are_not_asked_about_ours() -> None:
    asked: list[str | None] = []

    def name_hook(name: str | None, _kind: Any, _parents: Any) -> bool:
        asked.append(name)
        return name != "legacy"

    def object_hook(_item: Any, name: str | None, _kind: Any, _reflected: bool, _compare_to: Any) -> bool:
        asked.append(name)
        return name != "legacy"

    hooks = hooks_for_host(include_name=name_hook, include_object=object_hook)
    assert [of_name(hooks, name) for name in ("legacy", "invoices", "key_masters")] == [False, True, False]
    answers = [of_object(hooks, named(name), "table") for name in ("legacy", "invoices", "key_masters")]
    assert answers == [False, True, False]
    assert asked == ["legacy", "invoices"] * 2


def test_each_type_of_ours_is_written_as_one_that_a_revision_can_import() -> None:
    def below(kind: type) -> list[type]:
        return [each for child in kind.__subclasses__() for each in (child, *below(child))]

    ours = [kind for kind in below(sa.types.TypeDecorator) if kind.__module__.startswith("kms_schema.")]
    assert {kind.__name__ for kind in ours} >= {"EncryptedColumn", "EnvelopeBytes", "UtcTimestamp"}
    assert [kind for kind in ours if not hasattr(kind, "autogenerate_as")] == []
    asked: list[str] = []
    render = hooks_for_host(render_item=lambda kind, *_: asked.append(kind) or "theirs()")["render_item"]
    context = SimpleNamespace(opts={"sqlalchemy_module_prefix": "sql."}, imports=set())
    assert render("type", EncryptedColumn("orders"), context) == "sql.LargeBinary()"
    assert render("type", sa.String(), context) == "theirs()"
    assert render("server_default", None, context) == "theirs()"
    assert asked == ["type", "server_default"]
