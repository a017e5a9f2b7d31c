"""Columns that encrypt themselves: ORM and Core, what is refused, and what no message shows."""

import logging
import pickle
import traceback
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import pytest
import sqlalchemy as sa
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.orm import DeclarativeBase, Mapped, Session, aliased, deferred, mapped_column, relationship

from kms_schema.crypto import RootKeys
from kms_schema.engine import create_engine
from kms_schema.keyring import ColumnError, DecryptionError, EncryptedColumn, KeyRevokedError, KeyRing
from support.engines import Database
from support.errors import raises
from support.rows.smallest import unique
from tests.keyring.rings import rows, used

IBAN = "DE89 3704 ö'\"%s"


@dataclass
class Shop:
    """Two mapped classes with encrypted columns, and the key of these."""

    base: Any
    invoice: Any
    customer: Any
    key: str
    engine: sa.Engine
    database: Database

    def stored(self) -> list[tuple[Any, ...]]:
        """Return ids and ciphertexts as the database has them."""
        return rows(self.database, f"SELECT id, iban FROM {self.invoice.__tablename__} ORDER BY id")  # noqa: S608


@pytest.fixture
def shop(
    database: Database, sql_engine: sa.Engine, ring: KeyRing, orders: str, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Shop]:
    class Base(DeclarativeBase):
        pass

    shared = EncryptedColumn(orders)  # each column has a place of its own nevertheless

    class Person:
        note: Mapped[str | None] = mapped_column(EncryptedColumn(orders))

    class Customer(Person, Base):
        __tablename__ = unique("customers").replace("-", "_")
        id: Mapped[int] = mapped_column(primary_key=True)
        kind: Mapped[str] = mapped_column(default="person")
        invoices: Mapped[list["Invoice"]] = relationship(lambda: Invoice, back_populates="customer")
        __mapper_args__ = {"polymorphic_on": "kind", "polymorphic_identity": "person"}  # noqa: RUF012

    class Company(Customer):
        __tablename__ = unique("companies").replace("-", "_")
        id: Mapped[int] = mapped_column(sa.ForeignKey(Customer.id), primary_key=True)
        vat: Mapped[str | None] = mapped_column(shared)
        __mapper_args__ = {"polymorphic_identity": "company"}  # noqa: RUF012

    class Invoice(Person, Base):
        __tablename__ = unique("invoices").replace("-", "_")
        id: Mapped[int] = mapped_column(primary_key=True)
        customer_id: Mapped[int | None] = mapped_column(sa.ForeignKey(Customer.id))
        customer: Mapped[Customer | None] = relationship(back_populates="invoices")
        iban: Mapped[str | None] = mapped_column(shared)
        scan: Mapped[bytes | None] = deferred(mapped_column(EncryptedColumn(orders, value_type=bytes)))
        due: Mapped[Any | None] = mapped_column(sa.Date)

    Base.company = Company
    for each in (Company, Customer, Invoice):  # as pickle looks for them
        each.__qualname__ = each.__name__
        monkeypatch.setitem(globals(), each.__name__, each)
    Base.metadata.create_all(sql_engine)
    ring.attach(Base.metadata)
    yield Shop(Base, Invoice, Customer, orders, sql_engine, database)
    Base.metadata.drop_all(sql_engine)


def test_the_orm_writes_ciphertexts_and_reads_values(shop: Shop, ring: KeyRing) -> None:
    with Session(shop.engine) as session:
        company = shop.base.company(id=1, note="a note", vat="DE 123")
        invoice = shop.invoice(id=1, iban=IBAN, scan=b"\0\xff", customer=company)
        session.add_all([company, invoice, shop.invoice(id=2)])
        session.commit()
        assert invoice.iban == IBAN  # expired by the commit, and read again
        session.refresh(invoice)
        copy = pickle.loads(pickle.dumps(invoice))  # noqa: S301  (our own bytes)
    assert (copy.iban, invoice.scan if "scan" in invoice.__dict__ else b"\0\xff") == (IBAN, b"\0\xff")
    copy.iban = "changed"
    with Session(shop.engine) as session:
        merged = session.merge(copy)
        assert merged.customer.vat == "DE 123"
        session.commit()
        loaded = session.scalars(sa.select(shop.customer)).one()
        assert (loaded.note, loaded.invoices[0].iban, loaded.invoices[0].scan) == ("a note", "changed", b"\0\xff")
        other = aliased(shop.invoice)
        assert session.execute(sa.select(other.iban, other.id).order_by(other.id)).all() == [("changed", 1), (None, 2)]
        assert session.scalars(sa.select(shop.invoice.id).where(shop.invoice.iban == None)).all() == [2]  # noqa: E711
        before = shop.stored()
        merged.iban = "changed"  # the same value: nothing is written
        session.commit()
    assert shop.stored() == before
    (_, blob), (_, missing) = before
    assert (ring.inspect(blob).key_id, missing) == (shop.key, None)


def test_core_bulk_and_update_encrypt(shop: Shop) -> None:
    table = shop.invoice.__table__
    texts = [f"text {number}" for number in range(1, 7)]
    with Session(shop.engine) as session:
        session.execute(sa.insert(table).values(id=1, iban=texts[0]))
        session.execute(sa.insert(shop.invoice), [{"id": 2, "iban": texts[1]}, {"id": 3, "iban": None}])
        session.bulk_save_objects([shop.invoice(id=4, iban=texts[3])])
        session.execute(sa.insert(table).values([{"id": 5, "iban": texts[4]}, {"id": 6, "iban": "x"}]))
        session.execute(sa.update(shop.invoice).where(shop.invoice.id == 3).values(iban=texts[2]))
        insert = (postgresql if shop.database.dialect == "postgresql" else sqlite).insert(table)
        upsert = insert.values(id=6, iban="y").on_conflict_do_update(index_elements=["id"], set_={"iban": texts[5]})
        got = session.execute(upsert.returning(table.c.iban)).scalar_one()
        session.commit()
        assert got == texts[5]
        assert session.scalars(sa.select(table.c.iban).order_by(table.c.id)).all() == texts
    assert all(
        blob[:1] == b"\1" and text.encode() not in blob for (_, blob), text in zip(shop.stored(), texts, strict=True)
    )
    assert used(shop.database, shop.key) >= 8


def test_a_ciphertext_opens_in_its_column_only(shop: Shop) -> None:
    table = shop.invoice.__table__
    with shop.engine.begin() as connection:
        connection.execute(sa.insert(table).values(id=1, iban=IBAN, note="n"))
        copy = sa.text(f"UPDATE {table.name} SET note = iban")  # noqa: S608
        connection.execute(copy)
        with pytest.raises(DecryptionError):
            connection.execute(sa.select(table.c.note)).all()
        assert connection.execute(sa.select(table.c.iban)).scalar_one() == IBAN


def _columns(shop: Shop) -> dict[str, Callable[[], Any]]:
    invoice, table = shop.invoice, shop.invoice.__table__
    return {
        "eq": lambda: invoice.iban == IBAN,
        "reversed": lambda: sa.select(invoice.id).where(sa.literal(IBAN) == invoice.iban),
        "like": lambda: table.c.iban.like("DE%"),
        "in": lambda: invoice.iban.in_([IBAN]),
        "concat": lambda: invoice.iban + "x",
        "filter_by": lambda: sa.select(invoice).filter_by(iban=IBAN),
        "between": lambda: table.c.iban.between("a", "b"),
        "desc": invoice.iban.desc,
        "order": lambda: sa.select(invoice.id).order_by(invoice.iban),
        "order by name": lambda: sa.select(invoice.id, invoice.iban).order_by("iban"),
        "group": lambda: sa.select(sa.func.count()).group_by(table.c.iban),
        "subquery": lambda: sa.select(sa.select(table.c.id).order_by(table.c.iban).limit(1).subquery()),
        "window": lambda: sa.select(sa.func.row_number().over(order_by=table.c.iban)),
        "expression": lambda: sa.update(table).values(iban=sa.func.lower("secret-1")),
        "literal": lambda: sa.insert(table).values(id=9, iban=sa.literal("secret-1")),
        "several": lambda: sa.insert(table).values([{"id": 9, "iban": sa.literal("secret-1")}]),
        "other column": lambda: sa.update(table).values(iban=table.c.note),
        "from select": lambda: sa.insert(table).from_select(["id", "iban"], sa.select(9, sa.literal("secret-1"))),
        "orm": lambda: sa.update(invoice).values({invoice.iban: sa.func.lower("secret-1")}),
    }  # fmt: skip


def _error_of(session: Session, statement: Callable[[], Any]) -> Exception | None:
    try:
        session.execute(statement())
    except ColumnError as error:
        return error
    return None


def test_what_a_ciphertext_cannot_do_is_refused(shop: Shop) -> None:
    with Session(shop.engine) as session:
        session.add(shop.invoice(id=1, iban=IBAN))
        session.commit()
        for name, statement in _columns(shop).items():
            error = _error_of(session, statement)
            assert error is not None, name
            assert (error.reason, error.key_id) == ("operator", shop.key), name
            session.rollback()
        counted = sa.select(sa.func.count(shop.invoice.iban)).where(sa.func.length(shop.invoice.iban) > 45)
        assert session.scalar(counted.where(shop.invoice.iban.is_not(None))) == 1
    with pytest.raises(TypeError, match="variants"):
        EncryptedColumn(shop.key).with_variant(sa.Text(), "sqlite")
    assert shop.stored()[0][1][:1] == b"\1"


def test_a_column_without_a_ring_is_refused(database: Database, sql_engine: sa.Engine, orders: str) -> None:
    table = sa.Table(unique("loose"), sa.MetaData(), sa.Column("iban", EncryptedColumn(orders)))
    table.create(sql_engine)
    with sql_engine.begin() as connection, raises(ColumnError, "not_attached", match=r"ring\.attach"):
        connection.execute(table.insert().values(iban="secret-1"))
    with sql_engine.begin() as connection, raises(ColumnError, "not_attached", match="not the type of a table"):
        connection.execute(
            sa.text("SELECT :x").bindparams(sa.bindparam("x", "secret-1", type_=EncryptedColumn(orders)))
        )
    assert rows(database, f'SELECT * FROM "{table.name}"') == []  # noqa: S608


def test_no_message_shows_a_value(shop: Shop, ring: KeyRing, roots: RootKeys, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)
    table, errors = shop.invoice.__table__, []
    engine = create_engine(shop.database.url, echo=True, hide_parameters=False)  # "debug" logs what is read, too

    def fails(*expected: type[Exception], statement: Any, values: Any = None, reason: str | None = None) -> None:
        with pytest.raises(expected) as caught, engine.begin() as connection:
            connection.execute(statement, values)
        assert getattr(caught.value, "reason", None) == reason
        errors.append(caught.value)

    secret = "secret-1"  # noqa: S105
    with KeyRing(engine, roots) as other, Session(engine) as session:
        other.attach(shop.base.metadata)
        session.add(shop.invoice(id=1, iban=secret))
        session.commit()
        assert session.scalars(sa.select(shop.invoice.iban)).all() == [secret]
        fails(sa.exc.IntegrityError, statement=sa.insert(table), values={"id": 1, "iban": secret})
        for wrong in (secret.encode(), secret + "\ud800"):
            fails(ColumnError, reason="value", statement=sa.insert(table), values={"id": 2, "iban": wrong})
        # The value of another column is refused before the parameters are encrypted, or with them.
        for values in ({"id": 2, "iban": secret, "due": object()}, [{"id": 3, "iban": secret}, {"id": 4}]):
            fails(sa.exc.StatementError, statement=sa.insert(table), values=values)
        literal = sa.insert(table).values(id=2, iban=secret)
        with raises(ColumnError, "operator") as caught:
            literal.compile(engine, compile_kwargs={"literal_binds": True})
        errors.append(caught.value)
        session.rollback()
        other.revoke(shop.key, reason="leaked", now=True)
        fails(KeyRevokedError, statement=sa.insert(table), values={"id": 2, "iban": secret})
        session.add(shop.invoice(id=5, iban=secret))
        with pytest.raises(KeyRevokedError) as refused:
            session.commit()
        errors.append(refused.value)
    engine.dispose()
    ring.attach(shop.base.metadata)
    texts = [str(error) + repr(error) + "".join(traceback.format_exception(error)) for error in errors]
    texts += [repr(getattr(error, "params", "")) for error in errors]
    for text in [*texts, caplog.text, repr(table), repr(table.c.iban.type)]:
        assert secret not in text
    assert "INSERT INTO" in caplog.text
