"""Exchange what PostgreSQL cannot replace: materialized views, and functions that return something else than before."""

import sqlalchemy as sa

from kms_schema.sql import load, verbatim

# The new one stands beside the old one until all of it is made. What the old one allowed to whom, and whose it was,
# goes over: whoever reads a dashboard does not notice, and roles need not be given their rights again.
_SUCCEED = """DO $$
DECLARE
    old record;
    new record;
    held record;
BEGIN
    SELECT pg_catalog.pg_get_userbyid({owner}) AS owner, {acl} AS acl INTO old
    FROM {catalog} WHERE oid = '{old}'::{regtype};
    SELECT pg_catalog.pg_get_userbyid({owner}) AS owner, {acl} AS acl INTO new
    FROM {catalog} WHERE oid = '{new}'::{regtype};
    IF new.owner <> old.owner THEN
        EXECUTE pg_catalog.format('ALTER {kind} {new} OWNER TO %I', old.owner);
    END IF;
    FOR held IN
        SELECT privilege_type, grantee, pg_catalog.pg_get_userbyid(grantee) AS role
        FROM pg_catalog.aclexplode(new.acl) WHERE grantee <> old.owner::regrole
    LOOP
        EXECUTE pg_catalog.format(
            'REVOKE %s ON {object} {new} FROM %s', held.privilege_type,
            CASE held.grantee WHEN 0 THEN 'PUBLIC' ELSE pg_catalog.quote_ident(held.role) END
        );
    END LOOP;
    FOR held IN
        SELECT privilege_type, is_grantable, grantee, pg_catalog.pg_get_userbyid(grantee) AS role
        FROM pg_catalog.aclexplode(old.acl) WHERE grantee <> old.owner::regrole
    LOOP
        EXECUTE pg_catalog.format(
            'GRANT %s ON {object} {new} TO %s%s', held.privilege_type,
            CASE held.grantee WHEN 0 THEN 'PUBLIC' ELSE pg_catalog.quote_ident(held.role) END,
            CASE WHEN held.is_grantable THEN ' WITH GRANT OPTION' ELSE '' END
        );
    END LOOP;
END
$$"""

_KINDS = {
    "FUNCTION": {
        "owner": "proowner", "acl": "proacl", "catalog": "pg_catalog.pg_proc", "regtype": "regprocedure",
        "object": "FUNCTION",
    },
    "MATERIALIZED VIEW": {
        "owner": "relowner", "acl": "relacl", "catalog": "pg_catalog.pg_class", "regtype": "regclass",
        "object": "TABLE",
    },
}  # fmt: skip

_NEXT = "_next"


def prepare_statements(filename: str, schema: str, index: str | None = None) -> list[sa.TextClause]:
    """Return the statements that make the new object beside the old one, filled, with its `index`, a file as well.

    Nobody notices until `exchange_statements` are executed.
    """
    new = load("postgresql", filename)
    made = [statement.replace(_name(filename), _name(filename) + _NEXT) for statement in new.create(schema)]
    if index is not None:
        (statement,) = load("postgresql", index).create(schema)
        name = _name(filename)
        made.append(statement.replace(_name(index), _name(index) + _NEXT).replace(f".{name} ", f".{name}{_NEXT} "))
    return [*map(verbatim, made)]


def exchange_statements(filename: str, schema: str, index: str | None = None) -> list[sa.TextClause]:
    """Return the statements that put what was prepared in the place of the old object, which go quickly.

    Whatever else reads the old one keeps it from being dropped, and the revision from being done.
    """
    new = load("postgresql", filename)
    arguments = "()" if new.kind == "FUNCTION" else ""
    name = f"{schema}.{_name(filename)}"
    succeed = _SUCCEED.format(
        **_KINDS[new.kind], kind=new.kind, old=f"{name}{arguments}", new=f"{name}{_NEXT}{arguments}"
    )
    statements = [succeed, new.drop(schema), f"ALTER {new.kind} {name}{_NEXT}{arguments} RENAME TO {_name(filename)}"]
    if index is not None:
        statements.append(f"ALTER INDEX {schema}.{_name(index)}{_NEXT} RENAME TO {_name(index)}")
    return [*map(verbatim, statements)]


def _name(filename: str) -> str:
    return load("postgresql", filename).name.removeprefix("{schema}.")
