"""Statements that would write plaintext into an encrypted column by a detour, or a ciphertext into another row."""

import json
from collections.abc import Iterator
from typing import Any

import pytest
import sqlalchemy as sa
from sqlalchemy.orm import DeclarativeBase, Mapped, Session, mapped_column
from sqlalchemy.sql.elements import Grouping

from kms_schema.keyring import ColumnError, EncryptedColumn, KeyRing
from support.engines import Database
from support.errors import raises
from support.rows.smallest import unique
from tests.keyring.rings import rows

Attributes = dict[str, Any]


@pytest.fixture
def table(ring: KeyRing, sql_engine: sa.Engine, orders: str) -> Iterator[sa.Table]:
    metadata = sa.MetaData()
    number = sa.Column("id", sa.Integer, primary_key=True, autoincrement=False)
    columns = sa.Column("iban", EncryptedColumn(orders)), sa.Column("legacy", sa.LargeBinary)
    made = sa.Table(unique("invoices").replace("-", "_"), metadata, number, *columns)
    metadata.create_all(sql_engine)
    ring.attach(metadata)
    with sql_engine.begin() as connection:
        connection.execute(made.insert().values(id=1, legacy=b"plain"))
    yield made
    metadata.drop_all(sql_engine)


def test_no_detour_writes_plaintext(table: sa.Table, database: Database, sql_engine: sa.Engine) -> None:
    iban, legacy = table.c.iban, table.c.legacy
    either = sa.func.coalesce(iban, sa.type_coerce(legacy, iban.type)).label("iban")  # its type is that of the column
    united = sa.union_all(sa.select(table.c.id + 1, iban), sa.select(table.c.id + 2, legacy))
    part = sa.select((table.c.id + 1).label("id"), either).subquery()
    insert, names = table.insert(), ["id", "iban"]
    later, two = sa.bindparam("later"), sa.literal(2)
    attempts: list[tuple[Any, Attributes]] = [
        (insert.from_select(names, united), {}),
        (insert.from_select(names, united.subquery().select()), {}),
        (insert.from_select(names, sa.select(table.c.id + 1, either)), {}),
        (insert.from_select(names, sa.select(part)), {}),
        (table.update().values(iban=either), {}),
        (insert.values([{"id": 2, "iban": "text"}, {"id": 3, "iban": later}]), {"later": b"plain"}),
        (insert.values(id=2, iban=Grouping(later)), {"later": b"plain"}),
        (insert.from_select(names, sa.select(two, later)), {"later": b"plain"}),
        (insert.from_select(names, sa.select(sa.text("2"), later)), {"later": b"plain"}),
        (insert.from_select(names, sa.union_all(sa.select(two, iban), sa.select(two, later))), {"later": b"plain"}),
    ]
    for statement, values in attempts:
        with raises(ColumnError, "operator"), sql_engine.begin() as connection:
            connection.execute(statement, values)
    stored = f"SELECT id, iban FROM {table.name} ORDER BY id"  # noqa: S608
    assert rows(database, stored) == [(1, None)]
    copied = sa.select((table.c.id + 1).label("id"), iban).subquery()
    with sql_engine.begin() as connection:  # ciphertexts of the same column
        connection.execute(table.update().values(iban="text"))
        connection.execute(insert.from_select(names, sa.select(copied)))
        assert connection.execute(sa.select(iban)).scalars().all() == ["text", "text"]
    absent = ~sa.exists().where(table.c.id == sa.bindparam("number"))
    typed = sa.bindparam("later", type_=iban.type)
    with sql_engine.begin() as connection:
        for number, each in (3, typed), (3, typed), (4, sa.null()):
            row = sa.select(sa.bindparam("number", type_=sa.Integer), each).where(absent)
            connection.execute(insert.from_select(names, row), {"number": number, "later": f"text {number}"})
        connection.execute(insert.values(id=5, iban=sa.null()))
        found = sa.select(iban).where(table.c.id > 2).order_by(table.c.id)
        assert connection.execute(found).scalars().all() == ["text 3", None, None]


@pytest.mark.only_on("sqlite")
@pytest.mark.parametrize("default", [{"server_default": "plain"}, {"default": sa.text("'plain'")}])
def test_a_default_in_sql_is_refused(ring: KeyRing, sql_engine: sa.Engine, orders: str, default: Attributes) -> None:
    table = sa.Table(
        unique("invoices").replace("-", "_"), sa.MetaData(), sa.Column("id", sa.Integer, primary_key=True),
        sa.Column("iban", EncryptedColumn(orders), **default),
    )  # fmt: skip
    ring.attach(table.metadata)
    table.create(sql_engine)
    with raises(ColumnError, "operator", match="default"), sql_engine.begin() as connection:
        connection.execute(table.insert().values(id=1))
    table.drop(sql_engine)


@pytest.fixture
def invoice(sql_engine: sa.Engine, ring: KeyRing, orders: str) -> Iterator[Any]:
    class Base(DeclarativeBase):
        pass

    class Invoice(Base):
        __tablename__ = unique("invoices").replace("-", "_")
        id: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
        iban: Mapped[str | None] = mapped_column(EncryptedColumn(orders, row=("id",)))

    Base.metadata.create_all(sql_engine)
    ring.attach(Base.metadata)
    yield Invoice
    Base.metadata.drop_all(sql_engine)


def test_no_ciphertext_goes_to_another_row(invoice: Any, sql_engine: sa.Engine) -> None:
    table = invoice.__table__
    other = table.alias()
    with Session(sql_engine) as session:
        session.add_all([invoice(id=1, iban="one"), invoice(id=2, iban="two")])
        session.commit()
        for statement in (
            table.insert().from_select(["id", "iban"], sa.select(table.c.id + 10, table.c.iban)),
            table.update().where(table.c.id == other.c.id - 1).values(iban=other.c.iban),
            table.update().where(table.c.id == 1).values(id=9, iban=table.c.iban),
        ):
            with raises(ColumnError, "operator"):
                session.execute(statement)
            session.rollback()
        again = invoice(id=1, iban="again")
        session.add(again)
        with pytest.raises(sa.exc.IntegrityError):
            session.flush()
        session.rollback()
        with raises(ColumnError, "row_binding"):  # it was encrypted for the row that could not be inserted
            session.execute(sa.insert(table), {"id": 3, "iban": again.iban})
        session.rollback()
        again.id = 4
        session.add(again)
        session.commit()

        def later(_mapper: Any, _connection: Any, target: Any) -> None:
            target.id += 50

        sa.event.listen(invoice, "before_insert", later)
        session.add(invoice(id=5, iban="five"))
        with raises(ColumnError, "row_binding", match="changed while the row was written"):
            session.commit()
        session.rollback()
        found = session.scalars(sa.select(invoice).order_by(invoice.id))
        assert [(each.id, each.iban) for each in found] == [(1, "one"), (2, "two"), (4, "again")]


@pytest.mark.only_on("sqlite")
@pytest.mark.parametrize("action", [{"onupdate": "CASCADE"}, {"ondelete": "SET NULL"}])
def test_a_column_that_its_parent_changes_is_refused_at_mapping(action: Attributes) -> None:
    class Base(DeclarativeBase):
        pass

    with raises(ColumnError, "row_binding", match="changes by itself"):

        class Invoice(Base):
            __tablename__ = "invoices"
            id: Mapped[int] = mapped_column(primary_key=True)
            owner: Mapped[int] = mapped_column(sa.ForeignKey("owners.id", **action))
            iban: Mapped[str | None] = mapped_column(EncryptedColumn("orders", row=("owner",)))


class _Json(EncryptedColumn):
    """A subclass that converts values."""

    def process_bind_param(self, value: Any, dialect: sa.Dialect) -> bytes | None:
        return super().process_bind_param(None if value is None else json.dumps(value), dialect)

    def process_result_value(self, value: Any, dialect: sa.Dialect) -> Any:
        text = super().process_result_value(value, dialect)
        return None if text is None else json.loads(text)


class _Within(sa.types.TypeDecorator[Any]):
    """A type around an encrypted one, in which no statement would be checked."""

    impl = EncryptedColumn
    cache_ok = True


def test_an_encrypted_type_within_another_is_refused(ring: KeyRing, sql_engine: sa.Engine, orders: str) -> None:
    for within in (
        _Within(orders),
        sa.ARRAY(EncryptedColumn(orders)),
        sa.LargeBinary().with_variant(EncryptedColumn(orders), sql_engine.dialect.name),
    ):
        with pytest.raises(TypeError, match="make a subclass of EncryptedColumn"):
            sa.Column("iban", within)
    table = sa.Table(
        unique("documents").replace("-", "_"), sa.MetaData(), sa.Column("id", sa.Integer, primary_key=True),
        sa.Column("one", _Json(orders)), sa.Column("two", _Json(orders)),
    )  # fmt: skip
    ring.attach(table.metadata)
    table.create(sql_engine)
    with sql_engine.begin() as connection:
        connection.execute(table.insert().values([{"id": 1, "one": {"a": 1}, "two": [2]}]))
        assert connection.execute(sa.select(table.c.one, table.c.two)).one() == ({"a": 1}, [2])
        with raises(ColumnError, "operator"):
            connection.execute(table.update().values(one=table.c.two))
    table.drop(sql_engine)
