"""Whether row-level security shows a session the whole trail.

A trail that is read in part is not sealed and not verified: the server is told to refuse (`row_security = off`) rather
than to leave rows out. It also refuses where policies leave nothing out, as those do that let auditors and sealers read
all. So it is told to go by the policies only where, for this role, one shows every row and none restricts that.
"""

SHOWS_ALL = """SELECT set_config('row_security', 'on', true)
WHERE (
    -- Of no table at all this is NULL, and so as good as false.
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
        AND c.relname IN ('key_audit_logs', 'key_audit_seals', 'key_audit_leaves', 'key_audit_subtrees', 'key_masters')
)"""
"""Switches row security on for the transaction where that leaves nothing out; `{schema}` is within a literal."""


def going_by_policies(schema: str) -> str:
    """Return the statement for a schema, to be run in a transaction that has `row_security = off`."""
    return SHOWS_ALL.replace("{schema}", schema.replace("'", "''"))
