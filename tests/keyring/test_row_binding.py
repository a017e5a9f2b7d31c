"""Columns that are bound to their row: which statements write them, and when they are encrypted again."""

import uuid
from collections.abc import Iterator
from typing import Any

import pytest
import sqlalchemy as sa
from sqlalchemy.orm import DeclarativeBase, Mapped, Session, deferred, load_only, mapped_column

from kms_schema.keyring import ColumnError, DecryptionError, EncryptedColumn, KeyRing
from kms_schema.keyring.formats.bound_data import bound_data
from support.engines import Database
from support.errors import raises
from support.rows.smallest import unique
from tests.keyring.rings import change, rows


@pytest.fixture
def invoice(sql_engine: sa.Engine, ring: KeyRing, orders: str) -> Iterator[Any]:
    class Base(DeclarativeBase):
        pass

    class Invoice(Base):
        __tablename__ = unique("invoices").replace("-", "_")
        id: Mapped[uuid.UUID] = mapped_column(primary_key=True, default=uuid.uuid4)
        owner: Mapped[str] = mapped_column(sa.String(20))
        other: Mapped[int | None]
        iban: Mapped[str | None] = mapped_column(EncryptedColumn(orders, row=("owner", "id")))
        scan: Mapped[bytes | None] = deferred(mapped_column(EncryptedColumn(orders, row=("id",), value_type=bytes)))

    Base.metadata.create_all(sql_engine)
    ring.attach(Base.metadata)
    yield Invoice
    Base.metadata.drop_all(sql_engine)


def blobs(database: Database, invoice: Any) -> list[tuple[Any, ...]]:
    return rows(database, f"SELECT iban, scan FROM {invoice.__tablename__} ORDER BY owner")  # noqa: S608


def test_instances_are_bound_to_their_row(
    invoice: Any, ring: KeyRing, orders: str, database: Database, sql_engine: sa.Engine
) -> None:
    with Session(sql_engine) as session:
        one = invoice(owner="a", iban="text", scan=b"\0")
        session.add_all([one, invoice(owner="b")])
        session.commit()
        key = one.id
        aad = bound_data(invoice.__tablename__, "iban", {"owner": "a", "id": key})
        first = blobs(database, invoice)[0]
        assert ring.key(orders).decrypt(first[0], aad=aad) == b"text"
        assert (one.iban, type(one.iban), one.scan) == ("text", str, b"\0")
        one.other = 3  # nothing that is bound or encrypted: nothing is encrypted again
        session.commit()
        assert blobs(database, invoice)[0] == first
        session.expire(one, ["iban"])
        one.owner = "a2"  # its value is not loaded
        session.commit()
        second = blobs(database, invoice)[0]
        assert (second[0] == first[0], second[1] == first[1]) == (False, True)
        one.iban, one.id = "changed", uuid.UUID(int=1)
        session.commit()
        session.expunge_all()
        one = session.get_one(invoice, uuid.UUID(int=1))
        assert (one.iban, one.scan) == ("changed", b"\0")
        one.owner = "a3"
        session.refresh(one, ["iban"], with_for_update=None)  # autoflush
        assert one.iban == "changed"
        session.commit()
        sealed = session.execute(sa.select(invoice.owner, invoice.id, invoice.iban).where(invoice.owner == "a3")).one()
        assert repr(sealed.iban) == f"<RowCiphertext of {invoice.__tablename__}.iban, bound to owner, id>"
        assert sealed.iban.open({"owner": "a3", "id": sealed.id}) == "changed"
        with raises(ColumnError, "row_binding"):
            sealed.iban.open({"owner": "a3"})
        session.expunge_all()
        with raises(ColumnError, "row_binding", match="load it, too"):
            session.scalars(sa.select(invoice).where(invoice.owner == "a3").options(load_only(invoice.iban))).all()
    change(database, f"UPDATE {invoice.__tablename__} SET owner = 'x' WHERE owner = 'a3'")  # noqa: S608
    with Session(sql_engine) as session, pytest.raises(DecryptionError):
        session.scalars(sa.select(invoice).where(invoice.owner == "x")).all()


def test_statements_that_do_not_know_the_row_are_refused(
    invoice: Any, database: Database, sql_engine: sa.Engine
) -> None:
    table = invoice.__table__
    with Session(sql_engine) as session:
        session.add(invoice(owner="a", iban="text", scan=None))
        session.commit()
        before = blobs(database, invoice)
        statements = [
            (sa.insert(table), {"owner": "b", "iban": "plain"}),
            (sa.insert(invoice), [{"owner": "b", "iban": "plain"}, {"owner": "c", "iban": None}]),
            (sa.update(invoice).values(iban="plain"), None),
            (sa.update(table).values(owner="b"), None),
            (sa.update(invoice).where(invoice.owner == "a").values({invoice.owner: "b"}), None),
            (sa.update(table), {"owner": "b"}),
        ]
        for statement, values in statements:
            with raises(ColumnError, "row_binding"):
                session.execute(statement, values)
            session.rollback()
        with raises(ColumnError, "row_binding"):
            session.bulk_save_objects([invoice(owner="b", iban="plain")])
        session.rollback()
        session.execute(sa.update(table).values(owner="c", iban=None, scan=None))
        session.rollback()
        session.add(invoice(owner=5, iban="plain"))
        with raises(ColumnError, "row_binding", match="which takes str: int"):
            session.flush()
    assert blobs(database, invoice) == before


@pytest.mark.only_on("sqlite")
@pytest.mark.parametrize(
    ("made", "message"),
    [
        (lambda: mapped_column(primary_key=True), "database makes"),
        (lambda: mapped_column(primary_key=True, server_default="1"), "database makes"),
        (lambda: mapped_column(primary_key=True, default=sa.func.random()), "database makes"),
        (lambda: mapped_column(primary_key=True, autoincrement=False, onupdate=lambda: 1), "changes by itself"),
        (lambda: mapped_column("number", primary_key=True, autoincrement=False), "does not have"),
    ],
)
def test_a_row_that_is_not_known_before_it_is_refused_at_mapping(made: Any, message: str) -> None:
    class Base(DeclarativeBase):
        pass

    with raises(ColumnError, "row_binding", match=message):

        class Invoice(Base):
            __tablename__ = "invoices"
            id: Mapped[int] = made()
            iban: Mapped[str | None] = mapped_column(EncryptedColumn("orders", row=("id",)))


@pytest.mark.only_on("sqlite")
def test_classes_in_one_table_have_columns_of_their_own(sql_engine: sa.Engine, ring: KeyRing, orders: str) -> None:
    class Base(DeclarativeBase):
        pass

    class Person(Base):
        __tablename__ = unique("people").replace("-", "_")
        id: Mapped[uuid.UUID] = mapped_column(primary_key=True, default=uuid.uuid4)
        kind: Mapped[str]
        iban: Mapped[str] = mapped_column(EncryptedColumn(orders, row=("id",)))
        __mapper_args__ = {"polymorphic_on": "kind", "polymorphic_identity": "person"}  # noqa: RUF012

    class Employee(Person):
        note: Mapped[str | None] = mapped_column(EncryptedColumn(orders, row=("id",)))
        __mapper_args__ = {"polymorphic_identity": "employee"}  # noqa: RUF012

    Base.metadata.create_all(sql_engine)
    ring.attach(Base.metadata)
    with Session(sql_engine) as session:
        session.add_all([Person(iban="one"), Employee(iban="two", note="three")])
        session.commit()
        session.expunge_all()
        people = session.scalars(sa.select(Person).order_by(Person.kind)).all()
        assert [(each.iban, getattr(each, "note", None)) for each in people] == [("two", "three"), ("one", None)]
    Base.metadata.drop_all(sql_engine)
