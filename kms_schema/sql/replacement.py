"""Replace objects that PostgreSQL cannot replace: materialized views, and functions whose result type changes.

The new object is made beside the old one, and takes its place when all of it is there. It gets the owner and the
privileges of the old one, so that clients are not affected, and nothing has to be granted again.
"""

from collections.abc import Sequence
from types import MappingProxyType

from kms_schema.sql import load, statement
from kms_schema.sql.declarations import NOTHING, Declaration, Lock, locking
from kms_schema.sql.objects import creation
from kms_schema.sql.operations import execute, schema

_KINDS = MappingProxyType({
    "FUNCTION": {
        "owner": "proowner", "acl": "proacl", "catalog": "pg_catalog.pg_proc", "regtype": "regprocedure",
        "object": "FUNCTION",
    },
    "MATERIALIZED VIEW": {
        "owner": "relowner", "acl": "relacl", "catalog": "pg_catalog.pg_class", "regtype": "regclass",
        "object": "TABLE",
    },
})  # fmt: skip

_NEXT = "_next"


def prepare_replacement(filename: str, *, reads: Sequence[str] = (), index: str | None = None) -> None:
    """Make the new object of a file beside the old one, filled, with its `index`, which is a file as well.

    `reads` are the tables and views that a materialized view reads. Clients do not notice before `replace_prepared`.
    PostgreSQL only; raises `FileNotFoundError`.
    """
    name = _name(filename)
    for created, declaration in creation(filename, reads, suffix=_NEXT):
        execute(created.replace(name, name + _NEXT), declaration)
    if index is not None:
        (created,) = load("postgresql", index).create(schema())
        built = created.replace(_name(index), _name(index) + _NEXT).replace(f".{name} ", f".{name}{_NEXT} ")
        execute(
            built, Declaration((Lock(f"{schema()}.{name}{_NEXT}", "SHARE", f"building {_name(index)}", long=True),))
        )


def replace_prepared(filename: str, *, index: str | None = None) -> None:
    """Replace the old object of a file by the prepared object, in a short time; the caller has locked a view.

    PostgreSQL refuses to drop the old object, and the revision fails, while another object depends on it.
    """
    new = load("postgresql", filename)
    arguments = "()" if new.kind == "FUNCTION" else ""
    name = f"{schema()}.{_name(filename)}"
    old = {"kind": new.kind, "old": f"{name}{arguments}", "new": f"{name}{_NEXT}{arguments}"}
    execute(statement("copy_owner_and_privileges", **_KINDS[new.kind], **old), NOTHING)
    taken = () if new.kind == "FUNCTION" else locking("ACCESS EXCLUSIVE", (name,))
    execute(new.drop(schema()), Declaration(taken, drops=(name,)))
    execute(f"ALTER {new.kind} {name}{_NEXT}{arguments} RENAME TO {_name(filename)}", NOTHING)
    if index is not None:
        execute(f"ALTER INDEX {schema()}.{_name(index)}{_NEXT} RENAME TO {_name(index)}", NOTHING)


def _name(filename: str) -> str:
    return load("postgresql", filename).name.removeprefix("{schema}.")
