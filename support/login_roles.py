"""Login roles of a test's own, on PostgreSQL."""

import secrets
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import replace

import psycopg
import sqlalchemy as sa

from support.engines.database import Connection, Database
from support.statements import execute


def drop_roles(connection: Connection, *roles: str) -> None:
    """Drop roles with all their rights; what they own belongs to the connection's role from then on.

    The server may change the same rows of the catalog meanwhile: autovacuum, or a session that ends and removes its
    temporary objects. It ends the statement with a deadlock, or an object that is gone, and it is sent again.
    """
    names = ", ".join(roles)
    statement = f"REASSIGN OWNED BY {names} TO CURRENT_USER; DROP OWNED BY {names} CASCADE; DROP ROLE {names}"
    for attempts_left in (2, 1, 0):
        try:
            execute(connection, statement)
        except (psycopg.errors.DeadlockDetected, psycopg.errors.InternalError_):
            if not attempts_left:
                raise
            execute(connection, "SELECT pg_sleep(0.2)")
        else:
            return


@contextmanager
def login(database: Database, *grants: str) -> Iterator[Database]:
    """Make a role that may log in, and give the database as seen by it; the role is gone afterwards.

    `grants` say what is granted to it: `SELECT ON key_masters`, or another role's name.
    """
    role, password = f"kms_test_{secrets.token_hex(6)}", secrets.token_hex(12)
    with closing(database.connect()) as administrator:
        execute(administrator, f"CREATE ROLE {role} LOGIN PASSWORD '{password}'")
        try:
            for grant in grants:
                execute(administrator, f"GRANT {grant} TO {role}")
            url = sa.make_url(database.url).set(username=role, password=password)
            yield replace(database, url=url.render_as_string(hide_password=False))
        finally:
            drop_roles(administrator, role)


CLIENT_COLUMNS = (
    "key_id, event_type, event_category, event_description, user_id, session_id, client_ip, user_agent, duration_ms,"
    " security_level, risk_score, compliance_tags, retention_period_days, additional_metadata"
)
"""The columns of an audit entry that a client gives; the database sets the others."""

APPLICATION = (f"INSERT ({CLIENT_COLUMNS}) ON key_audit_logs", "SELECT ON key_audit_logs")
"""The privileges that writing audit entries requires."""
