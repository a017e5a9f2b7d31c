"""Statements in which the database would compare or order ciphertexts, by what they do with the encrypted column."""

from collections.abc import Callable
from typing import Any

import sqlalchemy as sa
from sqlalchemy import orm
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.orm import joinedload, subqueryload

Shop = Any


def refused(shop: Shop, dialect: str) -> dict[str, Callable[[], Any]]:
    customer, invoice = shop.customer, shop.invoice
    table = invoice.__table__
    iban, number = table.c.iban, table.c.id
    upsert = (postgresql if dialect == "postgresql" else sqlite).insert(table)
    upsert = upsert.values(id=1, customer_id=1, number="n1", iban="new")
    both = sa.select(number, iban)
    return {
        "distinct": lambda: sa.select(iban).distinct(),
        "distinct of a part": lambda: sa.select(invoice.customer_id, invoice.iban).distinct(),
        "distinct of coalesce": lambda: sa.select(sa.func.coalesce(iban, iban).label("x")).distinct(),
        "distinct of CASE": lambda: sa.select(sa.case((number > 1, iban), else_=iban)).distinct(),
        "distinct of the other value of CASE": lambda: sa.select(sa.case((number > 1, "x"), else_=iban)).distinct(),
        "distinct of a window": lambda: sa.select(sa.func.lag(iban, type_=iban.type).over(order_by=number)).distinct(),
        "distinct of a subquery": lambda: sa.select(sa.select(iban).limit(1).scalar_subquery()).distinct(),
        "distinct of what a subquery returns of coalesce": lambda: sa.select(
            sa.select(sa.func.coalesce(iban, iban).label("x")).subquery().c.x
        ).distinct(),
        "distinct of what a CTE returns of CASE": lambda: sa.select(
            sa.select(sa.case((number > 1, iban), else_=iban).label("x")).cte().c.x
        ).distinct(),
        "union of what a subquery returns": lambda: sa.union(
            *(sa.select(sa.select(sa.func.coalesce(iban, iban).label("x")).subquery().c.x) for _ in range(2))
        ),
        "distinct of a part of another table": lambda: (
            sa.select(customer.id, sa.func.coalesce(invoice.iban, invoice.iban)).join(invoice).distinct()
        ),
        "union of coalesce": lambda: sa.union(sa.select(sa.func.coalesce(iban, iban)), sa.select(iban)),
        "distinct in a subquery": lambda: sa.select(sa.func.count()).select_from(sa.select(iban).distinct().subquery()),
        "count of distinct values": lambda: sa.select(sa.func.count(sa.distinct(iban))),
        "union": lambda: sa.union(sa.select(iban), sa.select(iban)),
        "except": lambda: sa.except_(sa.select(iban), sa.select(iban).where(number < 2)),
        "intersect": lambda: sa.intersect(both, sa.select(table.c.customer_id, iban)),
        "min": lambda: sa.select(sa.func.min(iban)),
        "max": lambda: sa.select(sa.func.max(invoice.iban)),
        "nullif": lambda: sa.select(sa.func.nullif(iban, "text")),
        "case": lambda: sa.select(sa.case({"text": 1}, value=iban, else_=0)),
        "tuple": lambda: sa.select(number).where(sa.tuple_(number, iban).in_([(1, "text")])),
        "order by a name, descending": lambda: sa.select(number, iban).order_by(sa.desc("iban")),
        "order by a label, nulls last": lambda: sa.select(number, iban.label("x")).order_by(sa.nulls_last(sa.asc("x"))),
        "cast": lambda: sa.select(number).where(sa.cast(iban, sa.Text) == "text"),
        "conversion in Python": lambda: sa.select(number).where(sa.type_coerce(iban, sa.Text) == "text"),
        "cast in RETURNING": lambda: sa.update(table).values(number="n").returning(sa.cast(iban, sa.Text)),
        "function of text": lambda: sa.select(number).where(sa.func.lower(invoice.iban) == "text"),
        "join by a function": lambda: sa.select(number).join(customer, sa.func.trim(customer.name) == number),
        "function of JSON": lambda: sa.select(sa.func.json_object("iban", sa.func.coalesce(iban, iban))),
        "concatenation": lambda: sa.select(sa.func.concat(iban, "x")),
        "order by a text": lambda: sa.select(number).order_by(sa.text(f"{table.name}.iban DESC")),
        "order by a number": lambda: sa.select(number, iban).order_by(sa.text("2")),
        "order by literal_column": lambda: sa.select(number).order_by(sa.literal_column("upper(IBAN)")),
        "order by the text of a label": lambda: sa.select(number, iban.label("x")).order_by(sa.text("x")),
        "order of an alias by a text": lambda: sa.select(orm.aliased(invoice).id).order_by(sa.text("iban")),
        "group by a text": lambda: sa.select(sa.func.count()).select_from(table).group_by(sa.text("iban")),
        "window by a text": lambda: sa.select(sa.func.rank().over(order_by=sa.text("iban"))).select_from(table),
        "order by the name that a text gives": lambda: (
            sa.select(number, sa.text("iban AS z")).select_from(table).order_by(sa.text("z"))
        ),
        **{
            f"order by {text}": lambda text=text: sa.select(number, iban.label("x-y")).order_by(sa.text(text))
            for text in (
                "2 desc",
                "1, 2",
                "02",
                "(2)",
                "/*x*/2",
                "0x2",
                '"x-y"',
                "-- x\n2",
                f"{table.name}.'iban'",
                "`iban`",
                f"{table.name}.*",
                f"iban({table.name})",
                "(SELECT iban)",
                table.name,
                "id, unknown",
            )
        },
        "order by a lightweight column": lambda: sa.select(number).select_from(table).order_by(sa.column("iban")),
        "order by a parameter": lambda: sa.select(number, iban).order_by(sa.literal(2, literal_execute=True)),
        "order by the parameter of a text": lambda: sa.select(number, iban).order_by(
            sa.text("id, :n DESC").bindparams(n=2)
        ),
        "order by the number after a text": lambda: sa.select(sa.text("1, 2"), iban).order_by(sa.text("3")),
        "order by the label of a text": lambda: (
            sa.select(sa.literal_column("iban").label("x")).select_from(table).order_by("x")
        ),
        "order by a column of a subquery": lambda: (
            sa.select(sa.func.count()).select_from(sa.select(iban.label("x")).subquery()).order_by(sa.text("x"))
        ),
        "order of a union by a number": lambda: sa.union_all(both, both).order_by(sa.text("2 DESC")),
        "group by numbers": lambda: sa.select(iban, number, sa.func.count()).group_by(sa.text("1, 2")),
        "distinct texts": lambda: sa.select(sa.text("iban")).select_from(table).distinct(),
        "union of lists": lambda: sa.union(sa.union_all(both, sa.select(table.c.customer_id, iban)), both),
        "between": lambda: sa.select(number).where(sa.literal(b"a").between(iban, iban)),
        "in a subquery": lambda: sa.select(number).where(sa.literal(b"a").in_(sa.select(iban))),
        "comparison of a CASE": lambda: sa.select(number).where(
            sa.literal(b"a") == sa.case((number > 1, sa.literal(b"b")), else_=iban)
        ),
        "IS with a value": lambda: sa.select(number).where(iban.is_(sa.literal("text"))),
        "IS with a column": lambda: sa.select(number).where(iban.is_(table.alias().c.iban)),
        "condition": lambda: sa.select(number).where(iban),
        "condition in AND": lambda: sa.select(number).where(sa.and_(iban, number > 1)),
        "condition of CASE": lambda: sa.select(sa.case((iban, 1))),
        "condition of a DELETE": lambda: sa.delete(table).where(iban),
        "condition of a join": lambda: sa.select(number).join(customer.__table__, iban),
        "condition of FILTER": lambda: sa.select(sa.func.count().filter(iban)),
        "extract": lambda: sa.select(sa.extract("year", iban)),
        "order by a test for NULL and the column": lambda: sa.select(number).order_by(iban.is_(None), iban),
        "nulls last of the column": lambda: sa.select(number).order_by(iban.nulls_last()),
        "order by a CASE of the column": lambda: sa.select(number).order_by(
            sa.case((iban.is_(None), None), else_=iban)
        ),
        "order by a value that is tested": lambda: sa.select(number).order_by(sa.func.lower(iban).is_(None)),
        "order by a test of another value": lambda: sa.select(number).order_by(iban.is_(sa.literal("text"))),
        "order by a function of a measure": lambda: sa.select(number).order_by(
            sa.func.coalesce(sa.func.length(iban), iban)
        ),
        "order by the text of a function": lambda: sa.select(number).order_by(sa.text("length(iban)")),
        "order by a label of a measure and the column": lambda: sa.select(
            number, sa.func.length(iban).label("n"), iban.label("z")
        ).order_by(sa.text("n, z")),
        "order by a measure with the name of the column": lambda: sa.select(
            number, sa.func.length(iban).label("iban")
        ).order_by(sa.text("iban")),
        "group by a measure and the column": lambda: sa.select(sa.func.count()).group_by(sa.func.length(iban), iban),
        "window by a measure and the column": lambda: sa.select(
            sa.func.rank().over(partition_by=iban.is_(None), order_by=iban)
        ),
        "having the column": lambda: sa.select(number).group_by(number, sa.func.length(iban)).having(iban),
        "order of a union": lambda: sa.union_all(both, both).order_by(sa.desc("iban")),
        "order of a joined relationship": lambda: sa.select(customer).options(joinedload(customer.by_iban)),
        "order of a relationship in a subquery": lambda: sa.select(customer).options(subqueryload(customer.by_iban)),
        "within group": lambda: sa.select(sa.func.mode().within_group(iban)),
        "upsert where": lambda: upsert.on_conflict_do_update(
            index_elements=["id"], set_={"iban": "new"}, where=iban != upsert.excluded.iban
        ),
    }
