"""Row-level security: it applies only if it shows a role every row of the trail.

A trail that is read in part must be neither sealed nor verified. With `row_security = off` the server raises an error
instead of leaving rows out. It raises one also for policies that leave nothing out, such as those that let auditors and
sealers read all rows. So policies are applied only if one of them shows this role every row, and none restricts that.
"""

SHOWS_ALL = """SELECT set_config('row_security', 'on', true)
WHERE (
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
    WHERE c.relnamespace = to_regnamespace(quote_ident('{schema}')) AND c.relkind = 'r'
        AND c.relname IN (
            'key_audit_logs', 'key_audit_seals', 'key_audit_leaves', 'key_audit_subtrees', 'key_audit_tombstones',
            'key_masters'
        )
)"""
"""Turns row security on for the transaction if it leaves nothing out; `{schema}` is within a literal."""


def going_by_policies(schema: str) -> str:
    """Return the statement for a schema, for a transaction with `row_security = off`."""
    return SHOWS_ALL.replace("{schema}", schema.replace("'", "''"))
