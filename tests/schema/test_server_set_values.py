"""Values that PostgreSQL sets: sequences in an order that sealing relies on, and unique ids."""

import threading
import time
import uuid
from contextlib import closing

import pytest

from support.engines import Database
from support.rows.smallest import audit_entry, insert, key_master
from support.shared import SharedDatabase
from support.statements import execute

pytestmark = pytest.mark.only_on("postgresql")
SECONDS = 20
WAITING = "SELECT backend_xid IS NOT NULL FROM pg_stat_activity WHERE pid = :pid AND wait_event_type = 'Lock'"


def test_a_transaction_has_its_id_before_it_draws_a_sequence(database: Database) -> None:
    """A session that waits for a number already has a transaction id. Otherwise a seal could record the gap too
    early."""
    with (
        closing(database.connect()) as holder,
        closing(database.connect()) as writer,
        closing(database.connect()) as watch,  # within a transaction the activity stays what it was at first
    ):
        execute(holder, "BEGIN")
        execute(holder, "ALTER SEQUENCE key_audit_logs_sequence_seq OWNER TO CURRENT_USER")  # nobody draws meanwhile
        (pid,) = execute(writer, "SELECT pg_backend_pid()").fetchone() or (0,)
        writing = threading.Thread(target=insert, args=(writer, "key_audit_logs"), kwargs=audit_entry())
        writing.start()
        deadline = time.monotonic() + SECONDS
        while (seen := execute(watch, WAITING, {"pid": pid}).fetchone()) is None:
            assert time.monotonic() < deadline, "nobody waits"
            time.sleep(0.01)
        execute(holder, "ROLLBACK")
        writing.join(SECONDS)
        assert seen == (True,)


HIJACK = (
    "CREATE SCHEMA evil",
    "CREATE FUNCTION evil.encode(bytea, text) RETURNS text LANGUAGE sql AS $$SELECT repeat('a', 32)$$",
    "CREATE FUNCTION evil.set_bit(bytea, integer, integer) RETURNS bytea LANGUAGE sql AS $$SELECT '\\x00'::bytea$$",
    "CREATE FUNCTION evil.gen_random_uuid() RETURNS uuid LANGUAGE sql AS $$SELECT repeat('a', 32)::uuid$$",
    "CREATE FUNCTION evil.clock_timestamp() RETURNS timestamptz LANGUAGE sql AS $$SELECT 'epoch'::timestamptz$$",
    "CREATE FUNCTION evil.nothing(numeric, integer) RETURNS numeric LANGUAGE sql AS 'SELECT 0::numeric'",
    "CREATE OPERATOR evil.* (LEFTARG = numeric, RIGHTARG = integer, FUNCTION = evil.nothing)",
    "CREATE FUNCTION evil.naught(float8, integer) RETURNS float8 LANGUAGE sql AS 'SELECT 0::float8'",
    "CREATE OPERATOR evil.* (LEFTARG = float8, RIGHTARG = integer, FUNCTION = evil.naught)",
    "CREATE DOMAIN evil.uuid AS pg_catalog.uuid CHECK (false)",
    "SET search_path = evil, pg_catalog, public",
)


def test_an_id_is_of_its_time_whatever_the_search_path_finds_first(shared: SharedDatabase) -> None:
    for statement in HIJACK:
        execute(shared.connection, statement)
    row = {name: value for name, value in key_master().items() if name != "id"}
    before = time.time()
    insert(shared.connection, "public.key_masters", **row)
    execute(shared.connection, "SET search_path = public")
    ((made,),) = execute(
        shared.connection, "SELECT id::text FROM key_masters WHERE key_id = :key", {"key": row["key_id"]}
    ).fetchall()
    identity = uuid.UUID(made)
    assert identity.version == 7
    assert before - 5 < (identity.int >> 80) / 1000 < time.time() + 5
