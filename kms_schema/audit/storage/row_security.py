"""Row-level security on PostgreSQL: it applies only if it shows a role every row of the trail.

A trail that is read in part must be neither sealed nor verified. With `row_security = off` the server raises an error
instead of leaving rows out. It raises one also for policies that leave nothing out, such as those that let auditors and
sealers read all rows. So policies are applied only if one of them shows this role every row, and none restricts that.
"""

from collections.abc import Sequence

from kms_schema.text.identifiers import literal

_SHOWS_ALL = """(
    -- Without a table this is NULL, which counts as false.
    SELECT bool_and(NOT row_security_active(c.oid) OR (
        SELECT coalesce(bool_or(p.polpermissive AND pg_get_expr(p.polqual, p.polrelid) = 'true'), false)
            AND NOT coalesce(bool_or(NOT p.polpermissive), false)
        FROM pg_policy p
        WHERE p.polrelid = c.oid AND p.polcmd IN ('r', '*') AND EXISTS (
            SELECT FROM unnest(p.polroles) AS role WHERE role = 0 OR pg_has_role(role, 'USAGE')
        )
    ))
    FROM pg_class c
    WHERE c.relnamespace = to_regnamespace(quote_ident({schema})) AND c.relkind = 'r' AND c.relname IN ({tables})
)"""
_OF_THE_TRAIL = (
    "key_audit_logs", "key_audit_seals", "key_audit_leaves", "key_audit_subtrees", "key_audit_tombstones",
    "key_masters",
)  # fmt: skip


def going_by_policies(schema: str, tables: Sequence[str] = _OF_THE_TRAIL) -> str:
    """Return the statement that turns row security on for a transaction, if it leaves out no row of these tables.

    For a transaction with `row_security = off`, in `schema`. By default the tables are the tables of the trail.
    """
    return f"SELECT set_config('row_security', 'on', true) WHERE {_shows_all(schema, tables)}"


def shows_every_row(schema: str, tables: Sequence[str]) -> str:
    """Return the query that says whether row security shows this role every row of these tables of `schema`."""
    return f"SELECT coalesce({_shows_all(schema, tables)}, false)"


def _shows_all(schema: str, tables: Sequence[str]) -> str:
    named = ", ".join(f"'{table}'" for table in tables)
    return _SHOWS_ALL.replace("{schema}", literal(schema)).replace("{tables}", named)
