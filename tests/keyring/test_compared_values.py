"""Statements in which the database would compare or order ciphertexts, and similar ones that are sound."""

from collections.abc import Iterator
from typing import Any

import pytest
import sqlalchemy as sa
from sqlalchemy.dialects import postgresql
from sqlalchemy.orm import (
    DeclarativeBase,
    Mapped,
    Session,
    column_property,
    contains_eager,
    joinedload,
    mapped_column,
    relationship,
    subqueryload,
)

from kms_schema.keyring import ColumnError, EncryptedColumn, KeyRing
from support.engines import Database
from support.errors import raises
from support.rows.smallest import unique
from tests.keyring.compared_statements import refused
from tests.keyring.rings import change

Shop = Any


@pytest.fixture
def shop(ring: KeyRing, sql_engine: sa.Engine, orders: str) -> Iterator[Shop]:
    """Customers, and their invoices, whose text is the same in all."""

    class Base(DeclarativeBase):
        pass

    class Customer(Base):
        __tablename__ = unique("customers").replace("-", "_")
        id: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
        name: Mapped[str] = mapped_column(EncryptedColumn(orders))
        invoices: Mapped[list["Invoice"]] = relationship(lambda: Invoice, order_by=lambda: Invoice.id)
        by_iban: Mapped[list["Invoice"]] = relationship(lambda: Invoice, order_by=lambda: Invoice.iban, viewonly=True)

    class Invoice(Base):
        __tablename__ = unique("invoices").replace("-", "_")
        id: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
        customer_id: Mapped[int] = mapped_column(sa.ForeignKey(Customer.id))
        number: Mapped[str] = mapped_column(sa.String(10), unique=True)
        iban: Mapped[str] = mapped_column(EncryptedColumn(orders))

    newest = sa.select(Invoice.iban).where(Invoice.customer_id == Customer.id).order_by(Invoice.id.desc()).limit(1)
    Customer.newest = column_property(newest.correlate_except(Invoice).scalar_subquery())
    Base.metadata.create_all(sql_engine)
    ring.attach(Base.metadata)
    with Session(sql_engine) as session:
        session.add_all([Customer(id=1, name="one"), Customer(id=2, name="two")])
        session.flush()
        session.add_all(
            [Invoice(id=each, customer_id=1 + each % 2, number=f"n{each}", iban="text") for each in range(4)]
        )
        session.commit()
    yield type("Shop", (), {"customer": Customer, "invoice": Invoice})
    Base.metadata.drop_all(sql_engine)


def test_what_would_compare_ciphertexts_is_refused(shop: Shop, database: Database, sql_engine: sa.Engine) -> None:
    for name, statement in refused(shop, database.dialect).items():
        with Session(sql_engine) as session:
            try:
                found = session.scalars(statement()).unique().all()
            except ColumnError as error:
                if error.reason == "operator":
                    continue
                raise
            pytest.fail(f"{name}: {found}")


@pytest.mark.only_on("postgresql")
def test_what_only_postgresql_compares_is_refused(shop: Shop, sql_engine: sa.Engine) -> None:
    table = shop.invoice.__table__
    iban, number = table.c.iban, table.c.id
    array = postgresql.array([iban])
    statements = [
        sa.select(sa.func.greatest(iban, iban)),
        sa.select(number).where(array == postgresql.array([table.alias().c.iban])),
        sa.select(number).where(sa.literal(b"a") == sa.any_(array)),
    ]
    for order in iban, sa.text("iban"):
        ordered = sa.func.array_agg(postgresql.aggregate_order_by(number, order))
        statements += [
            sa.select(ordered).select_from(table),
            sa.select(sa.func.count()).select_from(table).having(ordered == [1]),
        ]
        if hasattr(postgresql, "distinct_on"):  # from SQLAlchemy 2.1 on
            statements.append(sa.select(number).ext(postgresql.distinct_on(order)))
        else:
            statements.append(sa.select(number).distinct(order))
    for statement in statements:
        with raises(ColumnError, "operator"), sql_engine.begin() as connection:
            connection.execute(statement)


def test_rows_with_a_key_are_compared(shop: Shop, sql_engine: sa.Engine) -> None:
    customer, invoice = shop.customer, shop.invoice
    table = invoice.__table__
    joined = sa.select(customer).join(customer.invoices)
    with Session(sql_engine) as session:
        for statement in (
            joined.distinct(),
            joined.distinct().options(joinedload(customer.invoices)).order_by(customer.id).limit(2),
            joined.distinct().options(subqueryload(customer.invoices)),
            joined.distinct().options(contains_eager(customer.invoices)),
            sa.select(customer).from_statement(sa.union(sa.select(customer), sa.select(customer))),
        ):
            found = session.scalars(statement).unique().all()
            assert sorted((each.id, each.name, each.newest) for each in found) == [
                (1, "one", "text"), (2, "two", "text"),
            ]  # fmt: skip
            session.expunge_all()
        for columns in (table.c.id, table.c.iban), (table.c.number, table.c.iban), tuple(table.c):
            assert len(session.execute(sa.select(*columns).distinct()).all()) == 4
        for column in sa.func.coalesce(table.c.iban, table.c.iban), sa.case((table.c.id > 1, table.c.iban)):
            assert len(session.execute(sa.select(table.c.id, column).distinct()).all()) == 4
        parts = sa.select(table.c.id, table.c.iban), sa.select(table.c.id, table.c.iban).where(table.c.id < 2)
        assert sorted(session.execute(sa.intersect(*parts)).all()) == [(0, "text"), (1, "text")]
        assert session.scalars(sa.union_all(*(sa.select(table.c.iban) for _ in "ab"))).all() == ["text"] * 8


def test_functions_that_take_no_ciphertext_for_a_text(shop: Shop, sql_engine: sa.Engine) -> None:
    table = shop.invoice.__table__
    iban = table.c.iban
    before = sa.func.lag(iban, type_=iban.type).over(order_by=table.c.id)
    with sql_engine.connect() as connection:
        for expression, expected in (
            (sa.func.coalesce(iban, iban), ["text"] * 4), (before, [None, *["text"] * 3]),
            (sa.func.count(iban), [4]), (sa.func.length(iban), [49] * 4),
        ):  # fmt: skip
            assert connection.execute(sa.select(expression).select_from(table)).scalars().all() == expected
        both = sa.select(sa.type_coerce(iban, sa.LargeBinary), iban.label("x"), table.c.id).order_by(sa.text("id DESC"))
        found = connection.execute(both).all()
        assert [(each[0][0], each[1], each[2]) for each in found] == [(1, "text", each) for each in (3, 2, 1, 0)]


def test_what_is_said_of_a_ciphertext_may_be_ordered(shop: Shop, sql_engine: sa.Engine) -> None:
    """Whether it is NULL, and its length: docs/encrypted-columns.md."""
    table = shop.invoice.__table__
    iban, number = table.c.iban, table.c.id
    is_null, length, count = iban.is_(None), sa.func.length(iban), sa.func.count()
    rows = sa.select(number, iban, length.label("len"))
    of_union = sa.union_all(sa.select(number, length.label("len")), sa.select(number, sa.literal(0)))
    with sql_engine.begin() as connection:
        for number_of_rows, statements in {
            4: [
                *(
                    rows.order_by(each, number)
                    for each in (
                        is_null, iban.isnot(None), sa.desc(is_null), sa.nulls_last(is_null.asc()), ~is_null, length,
                        length.desc().nulls_last(), "len", sa.desc("len"), sa.text("len"), sa.text("LEN DESC, id"),
                        sa.text("3"), sa.func.octet_length(iban) if sql_engine.name == "postgresql" else length,
                        sa.case((is_null, 1), else_=0), sa.case((length > 20, 1)), sa.func.abs(length), length + 1,
                        sa.func.length(sa.func.coalesce(iban, iban)), iban == sa.null(),
                    )
                ),
                sa.select(number, sa.func.rank().over(partition_by=is_null, order_by=length, rows=(None, 0))),
                sa.select(number, sa.func.sum(number).over(order_by=length, range_=(None, 0))),
                sa.select(number).order_by(sa.func.rank().over(order_by=is_null)),
                sa.select(number, length).distinct(),
            ],
            1: [
                sa.select(is_null, count).group_by(is_null),
                sa.select(length.label("len"), count).group_by(sa.text("len")),
                sa.select(length, count).group_by(length).having(length > 20),
                sa.select(is_null).distinct(),
                sa.union(sa.select(length), sa.select(length)),
            ],
            8: [of_union.order_by(sa.text("len")), of_union.order_by(sa.desc("len")), of_union.order_by(sa.text("2"))],
        }.items():  # fmt: skip
            for statement in statements:
                try:
                    found = connection.execute(statement).all()
                except ColumnError as error:
                    pytest.fail(f"{statement}: {error}")
                assert len(found) == number_of_rows, str(statement)


def test_texts_that_mean_other_columns(shop: Shop, sql_engine: sa.Engine) -> None:
    customer, invoice = shop.customer, shop.invoice
    table = invoice.__table__
    count = sa.func.count()
    with Session(sql_engine) as session:
        for text in (
            "id", '"id" desc', f"{table.name}.id, number", "lower(number) DESC NULLS LAST", "1", "-id", "(number)", "n",
            "CASE WHEN id > 2 THEN 'a' ELSE number END", "id + :x", f"{table.name}_id",
        ):  # fmt: skip
            statement = sa.select(table.c.id, table.c.iban, table.c.number.label("n"))
            ordered = statement.order_by(sa.text(text).bindparams(x=1) if ":x" in text else sa.text(text))
            if text.endswith("_id"):
                ordered = ordered.set_label_style(sa.LABEL_STYLE_TABLENAME_PLUS_COL)
            assert len(session.execute(ordered).all()) == 4, text
        for statement, rows in (
            (sa.select(table.c.customer_id, count.label("n")).group_by(sa.text("1")).order_by(sa.text("n DESC")), 2),
            (sa.select(table.c.customer_id).group_by(table.c.customer_id).order_by(count.desc()), 2),
            (sa.select(customer).options(joinedload(customer.invoices)).order_by(customer.id, sa.text("1")), 2),
            (sa.select(customer).join(customer.invoices).order_by(sa.text(f"{table.name}.number")), 2),
            (sa.select(table.c.id, sa.literal_column("'x'"), sa.text("number AS n")).distinct(), 4),
            (sa.union(sa.select(table.c.customer_id, sa.literal_column("0")), sa.select(customer.id, sa.text("1"))), 4),
            (sa.select(table.c.id).where(sa.and_(table.c.iban.is_not(None), table.c.iban != sa.null())), 4),
        ):
            assert len(session.execute(statement).unique().all()) == rows, str(statement)


@pytest.mark.only_on("sqlite")
def test_a_text_in_the_column_is_no_ciphertext(shop: Shop, database: Database, sql_engine: sa.Engine) -> None:
    table = shop.invoice.__table__
    change(database, f"UPDATE {table.name} SET iban = 'plain' WHERE id = 1")  # noqa: S608
    for statement in (sa.select(table.c.iban), sa.select(sa.func.coalesce(table.c.iban, "plain"))):
        with raises(ColumnError, "value", match="no ciphertext") as caught, sql_engine.begin() as connection:
            connection.execute(statement.where(table.c.id == 1)).all()
        assert "plain'" not in str(caught.value)


@pytest.mark.parametrize(
    "key",
    [{"unique": True}, {"index": True, "unique": True}, {"primary_key": True}],
    ids=["unique", "index", "primary"],
)
def test_a_unique_key_with_an_encrypted_column_is_refused(
    ring: KeyRing, sql_engine: sa.Engine, orders: str, key: dict[str, bool]
) -> None:
    table = sa.Table(
        unique("invoices").replace("-", "_"), sa.MetaData(), sa.Column("id", sa.Integer, primary_key=True),
        sa.Column("iban", EncryptedColumn(orders), **key),
    )  # fmt: skip
    ring.attach(table.metadata)
    table.create(sql_engine)
    for statement in (table.insert().values(id=1, iban="text"), table.update().values(iban="text")):
        with (
            raises(ColumnError, "operator", match="no two ciphertexts are the same"),
            sql_engine.begin() as connection,
        ):
            connection.execute(statement)
    table.drop(sql_engine)
