"""The sizes of tables and indexes before and after a removal of expired entries, and the duration of its steps.

    python -m benchmarks.audit_retention postgresql://postgres@localhost/postgres 1000000

The database is created on the server by a superuser, and dropped. Seven of ten entries are past their retention period.
"""

import sys
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

import psycopg

from benchmarks.places import new_database
from benchmarks.servers import open_engine
from kms_schema.audit import OpenTrail, SigningKey, open_trail, seal, verify
from kms_schema.audit.retention import retain
from kms_schema.audit.standalone.check_audit import check_archive, read_key
from kms_schema.roles.applying import apply
from kms_schema.roles.definition import Role

PREFIX = "cut_benchmark_"
WRITE = """INSERT INTO key_audit_logs
(event_type, event_category, event_description, user_id, risk_score, additional_metadata{column})
SELECT 'KEY_USED', 'LIFECYCLE', 'key used: orders-2026', 'service-' || n % 50, n % 100, jsonb_build_object('n', n){time}
FROM generate_series(1, {count}) AS n"""
SIZES = """SELECT pg_relation_size('key_audit_logs'), pg_indexes_size('key_audit_logs'),
    pg_table_size('key_audit_leaves')"""


def main(server_url: str, entries: int) -> None:
    """Print the sizes in MB and the times in seconds, as a Markdown table."""
    with (
        closing(open_engine("", server_url)) as engine,
        new_database(engine) as database,
        closing(database.connect()) as connection,
    ):
        assert isinstance(connection, psycopg.Connection)  # noqa: S101  (for mypy)
        apply(connection, prefix=PREFIX)
        try:
            _measure(connection, entries)
        finally:
            connection.execute(
                f"ALTER FUNCTION remove_expired_key_audit_logs() OWNER TO {connection.info.user}".encode()
            )
            names = ", ".join(PREFIX + role for role in Role)
            connection.execute(f"DROP OWNED BY {names}; DROP ROLE {names}".encode())


def _measure(connection: "psycopg.Connection[tuple[object, ...]]", entries: int) -> None:
    trail, key, old = open_trail(connection), SigningKey.generate("kms.example/audit"), entries * 7 // 10
    connection.execute("SET kms.restore = 'on'; SET maintenance_work_mem = '64MB'")
    older = {"column": ', "timestamp"', "time": ", clock_timestamp() - interval '3000 days'"}
    # The first entry is older, too; a superuser makes time pass.
    connection.execute("ALTER TABLE key_audit_logs DISABLE TRIGGER prevent_key_audit_log_update")
    connection.execute('UPDATE key_audit_logs SET "timestamp" = "timestamp" - interval \'3000 days\'')
    connection.execute("ALTER TABLE key_audit_logs ENABLE ALWAYS TRIGGER prevent_key_audit_log_update")
    connection.execute(WRITE.format(count=old, **older).encode())
    list(seal(trail, key))
    connection.execute(WRITE.format(count=entries - old, column="", time="").encode())
    list(seal(trail, key))
    connection.execute("VACUUM ANALYZE key_audit_logs")
    _show(connection, "before")
    with TemporaryDirectory() as folder:
        _cut(trail, key, Path(folder))
    for name, statement in (
        ("after the cut", "SELECT"),
        ("VACUUM", "VACUUM key_audit_logs"),
        (f"{old} new entries", WRITE.format(count=old, column="", time="")),
        ("REINDEX TABLE CONCURRENTLY", "REINDEX TABLE CONCURRENTLY key_audit_logs"),
    ):
        with _timed(name):
            connection.execute(statement.encode())
        _show(connection, name)
    with _timed("verify"), trail.reading() as snapshot:
        assert verify(snapshot).sound  # noqa: S101  (a failed verification is no measurement)


def _cut(trail: OpenTrail, key: SigningKey, folder: Path) -> None:
    begun, seen = time.perf_counter(), {}

    def report(what: str, done: int, _of: int) -> None:
        seen[what] = (done, time.perf_counter() - begun)

    (done,) = retain.retain(trail, key, folder, report, lambda _: report("exported and sealed", 0, 0))
    for what, (_, seconds) in seen.items():
        print(f"{what}: {seconds:.1f} s after the beginning")
    assert done.archive is not None  # noqa: S101  (for mypy)
    size = done.archive.stat().st_size
    print(f"removed {done.removed}; archive {size / 1e6:.1f} MB, {size / done.removed:.0f} bytes an entry")
    with _timed("check_archive"):
        check_archive(done.archive, [read_key(str(key.verifier))])


@contextmanager
def _timed(name: str) -> Iterator[None]:
    begun = time.perf_counter()
    yield
    print(f"{name}: {time.perf_counter() - begun:.1f} s")


def _show(connection: "psycopg.Connection[tuple[object, ...]]", name: str) -> None:
    row = connection.execute(SIZES).fetchone()
    assert row is not None  # noqa: S101  (for mypy)
    table, indexes, leaves = (int(str(size)) / 1e6 for size in row)
    print(f"| {name} | {table:.0f} | {indexes:.0f} | {leaves:.0f} |", flush=True)


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]))
