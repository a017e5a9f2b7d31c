"""No column of PostgreSQL's catalog is left alone by all mutations, but for those that say nothing of a schema.

So that an attribute that nobody thought of, or one that a new version of the server adds, is asked for here.
"""

from contextlib import closing
from typing import Any

import psycopg
import pytest

from support.engines import Engines
from tests.validator.mutations.dialects import every_mutation, kinds_on, two_of_each_kind
from tests.validator.mutations.kinds import run

CATALOGS = {
    "pg_class": ("c.relname", "c.oid"),
    "pg_attribute": ("r.relname || '.' || c.attnum", "c.attrelid"),
    "pg_constraint": ("c.conname", "c.conrelid"),
    "pg_index": ("r.relname", "c.indexrelid"),
    "pg_trigger": ("c.tgname", "c.tgrelid"),
    "pg_rewrite": ("r.relname || '.' || c.rulename", "c.ev_class"),
    "pg_sequence": ("r.relname", "c.seqrelid"),
}
"""What an object goes by in each catalog, and where it names the relation that it is or belongs to."""
OF_RELATIONS = """SELECT ({name})::text, to_jsonb(c) FROM {catalog} c
JOIN pg_class r ON r.oid = {relation} AND r.relnamespace = 'public'::regnamespace"""
OF_FUNCTIONS = (
    "SELECT proname::text, to_jsonb(c) FROM pg_proc c WHERE pronamespace = 'public'::regnamespace ORDER BY c.oid"
)

Attributes = dict[tuple[str, str], dict[str, Any]]

NAMES = "it is part of what an object goes by: with another one it is another object"
BOOKS = "the server keeps books in it"
KIND = "it says of what kind an object is: one of another kind is missing, and another one unexpected"
NO_ARGUMENTS = "none of our functions has arguments, or returns rows"
SAYS_NOTHING = {
    "pg_attribute.attfdwoptions": "columns of foreign tables have them",
    "pg_attribute.attgenerated": "a column cannot become a generated one",
    "pg_attribute.atthasmissing": BOOKS,
    "pg_attribute.attmissingval": BOOKS,
    "pg_attribute.attndims": "the server does not look at it: an array may have any number of dimensions",
    "pg_attribute.attnum": NAMES,
    "pg_class.relallfrozen": BOOKS,
    "pg_class.relallvisible": BOOKS,
    "pg_class.relhasindex": BOOKS,
    "pg_class.relisshared": KIND,
    "pg_class.relkind": KIND,
    "pg_class.relminmxid": BOOKS,
    "pg_class.relname": NAMES,
    "pg_class.relnamespace": NAMES,
    "pg_class.relrewrite": BOOKS,
    "pg_constraint.conexclop": KIND,
    "pg_constraint.conffeqop": "it follows from the types",
    "pg_constraint.confkey": "the definition says it",
    "pg_constraint.conname": NAMES,
    "pg_constraint.connamespace": NAMES,
    "pg_constraint.conparentid": BOOKS,
    "pg_constraint.conperiod": KIND,
    "pg_constraint.conpfeqop": "it follows from the types",
    "pg_constraint.conppeqop": "it follows from the types",
    "pg_constraint.contype": KIND,
    "pg_constraint.contypid": KIND,
    "pg_index.indcheckxmin": BOOKS,
    "pg_index.indisexclusion": KIND,
    "pg_proc.proallargtypes": NO_ARGUMENTS,
    "pg_proc.proargdefaults": NO_ARGUMENTS,
    "pg_proc.proargmodes": NO_ARGUMENTS,
    "pg_proc.probin": "functions in C have it",
    "pg_proc.proname": NAMES,
    "pg_proc.pronamespace": NAMES,
    "pg_proc.pronargdefaults": NO_ARGUMENTS,
    "pg_proc.proretset": KIND,
    "pg_proc.prosqlbody": "the definition says it",
    "pg_proc.protrftypes": "functions with TRANSFORM have them",
    "pg_proc.provariadic": NO_ARGUMENTS,
    "pg_rewrite.ev_qual": "our views have rules without conditions",
    "pg_rewrite.ev_type": KIND,
    "pg_rewrite.is_instead": KIND,
    "pg_rewrite.rulename": NAMES,
    "pg_sequence.seqrelid": NAMES,
    "pg_trigger.tgconstrindid": KIND,
    "pg_trigger.tgconstrrelid": "constraint triggers of two tables have it",
    "pg_trigger.tgisinternal": KIND,
    "pg_trigger.tgname": NAMES,
    "pg_trigger.tgoldtable": "the definition says it",
    "pg_trigger.tgparentid": BOOKS,
    "pg_trigger.tgrelid": NAMES,
}
"""Columns of the catalog that no mutation has to change, and why that is right.

What the server keeps books in may change by itself at any time: with the next VACUUM, or with a rewrite once the
cluster has had another multixact.
"""


def attributes(connection: psycopg.Connection[Any]) -> Attributes:
    queries = {
        catalog: OF_RELATIONS.format(catalog=catalog, name=name, relation=relation)
        for catalog, (name, relation) in CATALOGS.items()
    }
    return {
        (catalog, name): columns
        for catalog, query in {**queries, "pg_proc": OF_FUNCTIONS}.items()
        for name, columns in connection.execute(query.encode())
    }


@pytest.mark.full
@pytest.mark.only_on("postgresql-18")
def test_every_column_of_the_catalog_is_changed_by_some_mutation(engines: Engines, engine_name: str) -> None:
    engine, template = engines[engine_name], engines.migrated(engine_name, "template")
    with closing(template.connect()) as connection:
        assert isinstance(connection, psycopg.Connection)
        before = attributes(connection)
    unchanged = {f"{catalog}.{column}" for (catalog, _), columns in before.items() for column in columns}
    for mutation in two_of_each_kind(every_mutation(template, kinds_on(engine_name))):
        database = engine.create(template)
        here = mutation.in_database(database.name)
        with closing(database.connect()) as connection:
            assert isinstance(connection, psycopg.Connection)
            run(connection, here.change)
            after = attributes(connection)
        engine.drop(database)
        with closing(template.connect()) as connection:
            run(connection, here.undo or "SELECT")
        for key in before.keys() & after.keys():
            unchanged -= {f"{key[0]}.{column}" for column, value in before[key].items() if after[key][column] != value}
    books = {column for column, why in SAYS_NOTHING.items() if why is BOOKS}
    assert sorted(unchanged - books) == sorted(SAYS_NOTHING.keys() - books)
