"""Values of bound columns that the database would return as other ones: a ciphertext would not open again."""

import uuid
from datetime import UTC, date, datetime, timedelta, timezone
from typing import Any

import pytest
import sqlalchemy as sa
from sqlalchemy.orm import DeclarativeBase, Session, mapped_column

from kms_schema.keyring import ColumnError, EncryptedColumn, KeyRing
from support.errors import raises
from support.rows.smallest import unique

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
