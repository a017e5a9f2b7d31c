"""What goes on on a hardened database: a host's own DDL, whatever it is, and the maintenance of ours."""

import psycopg
import pytest

from kms_schema import validate
from kms_schema.hardening.applying import remove
from kms_schema.roles.applying import apply as apply_roles
from kms_schema.roles.definition import Role
from support.login_roles import drop_roles
from support.programs.commands import kms_schema
from support.reports import found
from support.statements import execute
from tests.hardening.hardened import Hardened

pytestmark = pytest.mark.only_on("postgresql")

HOSTS = (
    "CREATE TABLE t (id integer PRIMARY KEY, k varchar(64) REFERENCES key_masters (key_id) ON DELETE CASCADE)",
    "ALTER TABLE t DROP CONSTRAINT t_k_fkey",
    "ALTER TABLE t ADD CONSTRAINT again FOREIGN KEY (k) REFERENCES key_masters (key_id)",
    "ALTER TABLE t RENAME TO u; ALTER TABLE u ADD COLUMN n integer; ALTER TABLE u ALTER n TYPE text USING 'x'",
    "ALTER TABLE host_orders DISABLE TRIGGER ALL; ALTER TABLE host_orders SET UNLOGGED",
    "CREATE TRIGGER touch BEFORE UPDATE ON host_orders FOR EACH ROW EXECUTE FUNCTION touch_updated_at()",
    "CREATE RULE quiet AS ON DELETE TO host_orders DO INSTEAD NOTHING; DROP RULE quiet ON host_orders",
    "CREATE POLICY mine ON host_orders USING (true); ALTER TABLE host_orders ENABLE ROW LEVEL SECURITY",
    "CREATE TABLE child () INHERITS (host_orders); DROP TABLE child",
    "CREATE VIEW keys AS SELECT * FROM key_masters; ALTER VIEW keys RENAME TO my_keys; DROP VIEW my_keys",
    "CREATE FUNCTION f() RETURNS integer LANGUAGE sql AS 'SELECT 1'; ALTER FUNCTION f() RENAME TO g; DROP FUNCTION g()",
    "CREATE SEQUENCE s; ALTER SEQUENCE s RESTART; DROP SEQUENCE s",
    "CREATE SCHEMA theirs; CREATE TABLE theirs.key_masters (id integer); ALTER TABLE theirs.key_masters ADD n integer",
    "CREATE TABLE theirs.more (LIKE key_versions); DROP SCHEMA theirs CASCADE",
    "CREATE TEMPORARY TABLE key_masters (id text); ALTER TABLE key_masters ADD n text; DROP TABLE key_masters",
    "CREATE TABLE copied AS SELECT * FROM key_masters; SELECT * INTO again FROM copied; DROP TABLE copied, again",
    "CREATE INDEX i ON host_orders (key_id); REINDEX INDEX i; COMMENT ON INDEX i IS 'x'; DROP INDEX i",
    "CREATE TYPE mood AS ENUM ('good'); ALTER TYPE mood ADD VALUE 'bad'; DROP TYPE mood",
    "GRANT SELECT ON host_orders TO PUBLIC; ALTER DEFAULT PRIVILEGES GRANT SELECT ON TABLES TO pg_monitor",
    "DROP TABLE u, host_orders, host_lines",
)
"""One after the other, as a host's migration would."""


def test_a_hosts_ddl_goes_through(own: Hardened) -> None:
    for statements in HOSTS:
        for statement in statements.split("; "):
            execute(own.owner, statement)


def test_a_hosts_indexes_are_built_and_dropped_concurrently(own: Hardened) -> None:
    """Also those of a table that is called as one of ours is, in another schema."""
    for statement in (
        "CREATE INDEX CONCURRENTLY i ON host_orders (key_id)",
        "DROP INDEX CONCURRENTLY i",
        "CREATE SCHEMA theirs",
        "CREATE TABLE theirs.key_masters (id integer)",
        "CREATE INDEX CONCURRENTLY i ON theirs.key_masters (id)",
    ):
        own.owner.execute(statement.encode())


MAINTENANCE = (
    "REINDEX TABLE key_audit_logs", "REINDEX TABLE CONCURRENTLY key_audit_logs", "VACUUM FULL key_audit_logs",
    "VACUUM ANALYZE key_masters", "CLUSTER key_masters USING pk_key_masters", "SELECT refresh_key_views()",
    "REFRESH MATERIALIZED VIEW key_health_monitor", "REFRESH MATERIALIZED VIEW CONCURRENTLY key_health_monitor",
    "GRANT SELECT ON key_audit_logs TO pg_monitor", "REVOKE SELECT ON key_audit_logs FROM pg_monitor",
)  # fmt: skip


@pytest.mark.parametrize("statement", MAINTENANCE)
def test_maintenance_goes_on(common: Hardened, statement: str) -> None:
    common.owner.execute(statement.encode())


def test_the_roles_are_made_and_looked_after(own: Hardened) -> None:
    """By a superuser in one transaction, whatever it takes; by the owner as long as it is only GRANT and REVOKE."""
    prefix = f"{own.owner_name}_"
    roles = [prefix + role for role in Role]
    try:
        execute(own.superuser, f"ALTER ROLE {own.owner_name} CREATEROLE")
        with pytest.raises(psycopg.errors.RestrictViolation, match="CREATE POLICY"):
            apply_roles(own.owner, prefix=prefix)
        applied = apply_roles(own.superuser, prefix=prefix)
        assert "row-level security ON key_audit_logs" in applied.granted
        assert found(validate(own.superuser)) == []
        state = "SELECT DISTINCT evtenabled::text FROM pg_event_trigger"
        assert execute(own.superuser, state).fetchall() == [("A",)]
        execute(own.superuser, f"REVOKE ALL ON key_masters FROM {prefix}kms_app")
        assert apply_roles(own.owner, prefix=prefix).granted == (
            f"{prefix}kms_app: SELECT ON relation key_masters",
            f"{prefix}kms_app: UPDATE (encrypted_columns) ON relation key_masters",
        )
    finally:
        remove(own.superuser)
        drop_roles(own.superuser, *roles)


def test_the_trail_is_written_and_sealed_and_its_guards_are_probed(own: Hardened) -> None:
    assert kms_schema("audit", "seal", url=own.database.url).status == 0
    report = validate(own.superuser, probe=True)
    assert found(report) == []
    assert report.probed
