"""The locks that the server takes before it looks at privileges: a role without any waits for them like an owner."""

import re
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager

import psycopg
import pytest
from psycopg.pq import ExecStatus

from support.engines import Database
from support.engines.database import Connection
from support.login_roles import login
from support.statements import execute

pytestmark = [pytest.mark.only_on("postgresql"), pytest.mark.versions("oldest and newest")]

SECONDS = 30
FORMS = {
    # Behind any reader these stop everybody. The last four need a table, or TEMPORARY, of one's own.
    "AccessExclusiveLock": """
        CREATE RULE r AS ON INSERT TO T DO INSTEAD NOTHING
        CREATE OR REPLACE RULE r AS ON SELECT TO T DO INSTEAD SELECT 1
        ALTER TABLE own.p ATTACH PARTITION T DEFAULT
        CREATE TABLE own.q PARTITION OF T DEFAULT
        CREATE TABLE own.q PARTITION OF T FOR VALUES IN (1)
        CREATE TEMPORARY TABLE q PARTITION OF T DEFAULT
        ALTER TABLE own.p DETACH PARTITION T""",
    # Behind any writer these stop all writers.
    "ShareRowExclusiveLock": """
        CREATE TRIGGER t BEFORE INSERT ON T FOR EACH ROW EXECUTE FUNCTION own.f()
        CREATE CONSTRAINT TRIGGER t AFTER INSERT ON T FOR EACH ROW EXECUTE FUNCTION own.f()
        CREATE TABLE own.q (k uuid REFERENCES T)
        CREATE TEMPORARY TABLE q (k uuid REFERENCES T)
        ALTER TABLE own.t ADD FOREIGN KEY (k) REFERENCES T
        ALTER TABLE own.t ADD FOREIGN KEY (k) REFERENCES T (id) NOT VALID""",
    # These stop VACUUM and other DDL.
    "ShareUpdateExclusiveLock": """
        CREATE TABLE own.q () INHERITS (T)
        CREATE TEMPORARY TABLE q () INHERITS (T)
        ALTER TABLE own.t INHERIT T
        COMMENT ON TABLE T IS 'x'
        COMMENT ON COLUMN T.id IS 'x'
        CREATE STATISTICS own.s ON id, sequence FROM T""",
    # These stop exclusive locks only, as every reader and writer does.
    "RowExclusiveLock": """
        CREATE RULE r AS ON INSERT TO own.t DO ALSO DELETE FROM T
        INSERT INTO T DEFAULT VALUES
        UPDATE T SET id = id
        DELETE FROM T
        COPY T FROM STDIN""",
    "RowShareLock": "SELECT 1 FROM T FOR UPDATE",
    "AccessShareLock": """
        DROP RULE r ON T
        DROP TRIGGER t ON T
        ALTER TRIGGER prevent_key_audit_log_update ON T DEPENDS ON EXTENSION plpgsql
        CREATE CONSTRAINT TRIGGER t AFTER INSERT ON own.t FROM T FOR EACH ROW EXECUTE FUNCTION own.f()
        COMMENT ON TRIGGER prevent_key_audit_log_update ON T IS 'x'
        COMMENT ON CONSTRAINT pk_key_audit_logs ON T IS 'x'
        DROP POLICY p ON T
        ALTER TABLE own.t NO INHERIT T
        CREATE TABLE own.q (LIKE T INCLUDING ALL)
        CREATE TABLE own.q (c T)
        CREATE TABLE own.q AS SELECT * FROM T
        CREATE VIEW own.v AS SELECT * FROM T
        CREATE TEMPORARY VIEW v AS SELECT * FROM T
        CREATE MATERIALIZED VIEW own.v AS SELECT * FROM T
        CREATE FUNCTION own.g() RETURNS SETOF T LANGUAGE sql AS 'SELECT * FROM T'
        CREATE SEQUENCE own.s OWNED BY T.sequence
        SELECT 1 FROM T
        COPY T TO STDOUT
        DO $$BEGIN PERFORM 1 FROM T; END$$
        SELECT pg_get_viewdef('S.key_audit_trail'::regclass)
        VACUUM T
        VACUUM FULL T
        ANALYZE T""",
    "none": """
        LOCK TABLE T IN ACCESS EXCLUSIVE MODE
        LOCK TABLE own.p, T IN ACCESS SHARE MODE
        ALTER RULE r ON T RENAME TO s
        ALTER TRIGGER prevent_key_audit_log_update ON T RENAME TO s
        ALTER TABLE T ATTACH PARTITION own.t DEFAULT
        ALTER TABLE T ADD FOREIGN KEY (id) REFERENCES own.t
        ALTER TABLE T INHERIT own.t
        ALTER TABLE T RENAME TO s
        ALTER TABLE T SET SCHEMA own
        ALTER TABLE T OWNER TO CURRENT_USER
        ALTER TABLE T DISABLE TRIGGER ALL
        ALTER TABLE T ADD COLUMN c integer
        CREATE INDEX ON T (id)
        CREATE INDEX CONCURRENTLY ON T (id)
        DROP INDEX S.uq_key_audit_logs_sequence
        ALTER INDEX S.uq_key_audit_logs_sequence RENAME TO i
        REINDEX TABLE T
        CLUSTER T
        CREATE POLICY p ON T USING (true)
        TRUNCATE T
        DROP TABLE T
        REFRESH MATERIALIZED VIEW S.key_health_monitor
        SELECT setval('S.key_audit_logs_sequence_seq', 1)""",
}
"""Statements by the lock that a role without privileges on T waits for, while another session has all of it."""
OF_ONES_OWN = """CREATE TABLE own.t (k uuid, id uuid);
CREATE TABLE own.p (LIKE public.key_audit_logs) PARTITION BY LIST (id);
CREATE FUNCTION own.f() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NULL; END';
ALTER TABLE own.t OWNER TO {0}; ALTER TABLE own.p OWNER TO {0}; ALTER FUNCTION own.f() OWNER TO {0}"""
WITHOUT_A_TRANSACTION = re.compile("VACUUM|.* CONCURRENTLY ")


def by_lock(stranger: psycopg.Connection, observer: Connection) -> dict[str, set[str]]:
    """Return the forms by the lock that they wait for: `none` if they are refused at once."""
    found: dict[str, set[str]] = {lock: set() for lock in FORMS}
    for form in (line.strip() for forms in FORMS.values() for line in forms.strip().splitlines()):
        found[waits_for(stranger, observer, form)].add(form)
    return found


def waits_for(stranger: psycopg.Connection, observer: Connection, form: str) -> str:
    sent, session = re.sub(r"\bT\b", "public.key_audit_logs", form).replace("S.", "public."), stranger.pgconn
    if not WITHOUT_A_TRANSACTION.match(form):
        execute(stranger, "BEGIN")
    session.send_query(sent.encode())
    waiting = f"SELECT mode FROM pg_locks WHERE pid = {stranger.info.backend_pid} AND NOT granted"  # noqa: S608
    deadline, lock = time.monotonic() + SECONDS, None
    while session.is_busy() and lock is None:
        assert time.monotonic() < deadline, form
        lock = execute(observer, waiting).fetchone()
        session.consume_input()
    if lock:
        stranger.cancel()
    messages = []
    while (result := session.get_result()) is not None:
        if result.status == ExecStatus.COPY_IN:
            session.put_copy_end(b"no")
        messages.append(bytes(result.error_message).decode())
    session.exec_(b"ROLLBACK")
    assert lock or re.search("must be owner|permission denied", messages[0]) or WITHOUT_A_TRANSACTION.match(form), form
    return str(lock[0]) if lock else "none"


@contextmanager
def a_stranger(database: Database, schema: str) -> Iterator[psycopg.Connection]:
    """Log in as a role with CONNECT, and objects in a schema of its own."""
    with login(database) as role, closing(role.connect()) as stranger, closing(database.connect()) as administrator:
        assert isinstance(stranger, psycopg.Connection)
        execute(administrator, f"CREATE SCHEMA {schema} AUTHORIZATION {stranger.info.user}")
        execute(administrator, OF_ONES_OWN.format(stranger.info.user))
        yield stranger


def test_which_locks_a_role_without_privileges_waits_for(database: Database) -> None:
    """With USAGE on the schema these; without it every form is refused before it takes a lock."""
    expected = {lock: {each.strip() for each in forms.strip().splitlines()} for lock, forms in FORMS.items()}
    with (
        a_stranger(database, "own") as stranger,
        closing(database.connect()) as holder,
        closing(database.connect()) as observer,
    ):
        if stranger.info.server_version < 140000:
            expected["AccessExclusiveLock"].remove(detach := "ALTER TABLE own.p DETACH PARTITION T")
            expected["ShareUpdateExclusiveLock"].add(detach)
        execute(holder, "BEGIN")
        execute(holder, "LOCK TABLE key_audit_logs IN ACCESS EXCLUSIVE MODE")
        assert by_lock(stranger, observer) == expected
        execute(observer, "REVOKE USAGE ON SCHEMA public FROM PUBLIC")
        assert by_lock(stranger, observer) == {lock: set() for lock in FORMS} | {
            "none": set().union(*expected.values())
        }
