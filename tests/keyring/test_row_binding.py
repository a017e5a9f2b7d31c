"""Columns that are bound to their row: statements that write them, and values that a database returns as others."""

import uuid
from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta, timezone
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


DAY = datetime(2026, 1, 31, 12, 30)
IN_UTC = DAY.replace(tzinfo=UTC)
HEX = "4cb31043698740cb8f7eea45987041b2"


class Lower(sa.types.TypeDecorator[str]):
    """A type of an application that changes what it is given."""

    impl = sa.String(20)
    cache_ok = True

    def process_bind_param(self, value: str | None, dialect: sa.Dialect) -> str | None:  # noqa: ARG002
        return value and value.lower()


class InUtc(sa.types.TypeDecorator[datetime]):
    """A type of an application that returns what it was given."""

    impl = sa.DateTime
    cache_ok = True

    def process_bind_param(self, value: datetime | None, dialect: sa.Dialect) -> datetime | None:  # noqa: ARG002
        return value and value.astimezone(UTC).replace(tzinfo=None)

    def process_result_value(self, value: datetime | None, dialect: sa.Dialect) -> datetime | None:  # noqa: ARG002
        return value and value.replace(tzinfo=UTC)


def invoices(ring: KeyRing, engine: sa.Engine, key_id: str, type_: Any) -> Any:
    """A class whose encrypted column is bound to a column of a type."""

    class Base(DeclarativeBase):
        pass

    class Invoice(Base):
        __tablename__ = unique("invoices").replace("-", "_")
        id = mapped_column(sa.Integer, primary_key=True, autoincrement=False)
        bound = mapped_column(type_, nullable=True)
        iban = mapped_column(EncryptedColumn(key_id, row=("bound",)), nullable=True)

    Base.metadata.create_all(engine)
    ring.attach(Base.metadata)
    return Invoice


@pytest.mark.parametrize(
    ("type_", "value"),
    [
        (sa.Date(), DAY),
        (sa.DateTime(), IN_UTC),
        (sa.DateTime(), DAY.replace(tzinfo=timezone(timedelta(hours=2)))),
        (sa.DateTime(timezone=True), DAY),
        (sa.Uuid(as_uuid=False), HEX),
        (sa.Uuid(as_uuid=False), str(uuid.UUID(HEX)).upper()),
        (sa.Uuid(as_uuid=False), "no UUID"),
        (Lower(), "ABC"),
    ],
    ids=str,
)
def test_a_value_that_comes_back_as_another_is_refused(
    ring: KeyRing, sql_engine: sa.Engine, orders: str, type_: Any, value: Any
) -> None:
    invoice = invoices(ring, sql_engine, orders, type_)
    with Session(sql_engine) as session:
        session.add(invoice(id=1, bound=value, iban="text"))
        with raises(ColumnError, "row_binding", match=r"does not return this|zone SQLite does not store"):
            session.flush()
        session.rollback()
        assert session.scalars(sa.select(invoice)).all() == []


@pytest.mark.parametrize(
    ("type_", "value"),
    [
        (sa.Date(), date(2026, 1, 31)),
        (sa.DateTime(), DAY),
        (sa.Uuid(as_uuid=False), str(uuid.UUID(HEX))),
        (Lower(), "abc"),
        (InUtc(), IN_UTC),
        (sa.String(20), None),
    ],
    ids=str,
)
def test_a_value_that_comes_back_is_bound(
    ring: KeyRing, sql_engine: sa.Engine, orders: str, type_: Any, value: Any
) -> None:
    invoice = invoices(ring, sql_engine, orders, type_)
    with Session(sql_engine) as session:
        session.add(invoice(id=1, bound=value, iban="text"))
        session.commit()
        session.expunge_all()
        found = session.scalars(sa.select(invoice)).one()
        assert (found.bound, found.iban) == (value, "text")


def test_defaults_and_replaced_instances_are_bound(ring: KeyRing, sql_engine: sa.Engine, orders: str) -> None:
    class Base(DeclarativeBase):
        pass

    class Invoice(Base):
        __tablename__ = unique("invoices").replace("-", "_")
        id = mapped_column(sa.Integer, primary_key=True, autoincrement=False)
        owner = mapped_column(sa.String(20), default="nobody")
        twice = mapped_column(sa.Integer, default=lambda context: 2 * context.get_current_parameters()["id"])
        iban = mapped_column(EncryptedColumn(orders, row=("owner",)), nullable=True)
        note = mapped_column(EncryptedColumn(orders, row=("twice",)), nullable=True, default="no note")

    Base.metadata.create_all(sql_engine)
    ring.attach(Base.metadata)
    with Session(sql_engine) as session:
        session.add(Invoice(id=1, owner=None, iban="text", twice=3, note="note"))  # SQLAlchemy takes the default
        session.commit()
        one = session.get_one(Invoice, 1)
        assert (one.owner, one.iban, one.note) == ("nobody", "text", "note")
        session.delete(one)
        session.add(Invoice(id=1, owner="b", twice=4))  # becomes an UPDATE
        session.commit()
        one = session.get_one(Invoice, 1)
        assert (one.owner, one.iban, one.note) == ("b", None, "no note")
        session.add(Invoice(id=2, note="note"))
        with raises(ColumnError, "row_binding", match="whose default reads the statement"):
            session.commit()
