"""The versions of package and schema, and slow statements of the server."""

from kms_schema._version import __version__
from kms_schema.monitoring.reader import Reader
from kms_schema.monitoring.samples import Read, Sample

SLOW_MILLISECONDS = 50


def database(reader: Reader) -> Read:
    """Show the versions; the revision is unknown where Alembic's table has another name."""
    readable = reader.row("reads_revisions", table=reader.table("alembic_version"))
    revisions = [row[0] for row in reader.rows("revisions")] if readable and readable[0] else []
    return Read([Sample("kms_build_info", 1, (__version__, ",".join(revisions) or "unknown", reader.engine))])


def statements(reader: Reader) -> Read:
    """Count slow statements of this database, where the extension pg_stat_statements can be read."""
    if reader.on_sqlite:
        return Read([], skipped="SQLite has no statistics of statements")
    extension, allowed, current = reader.row("statistics_extension") or (None, False, False)
    reason = None
    if extension is None:
        reason = "the extension pg_stat_statements is not in this database"
    elif not allowed:
        reason = "the role is no member of pg_read_all_stats"
    elif not current:
        reason = "the extension pg_stat_statements is older than 1.8: run ALTER EXTENSION pg_stat_statements UPDATE"
    elif reader.rows("statistics_loaded") != [(True,)]:
        reason = "pg_stat_statements is not in shared_preload_libraries"
    if reason is not None:
        return Read([], skipped=reason)
    [(slow, slowest)] = reader.rows("slow_statements", {"extension": extension, "slow": SLOW_MILLISECONDS})
    return Read([Sample("kms_slow_statements", slow), Sample("kms_slowest_statement_average_seconds", slowest / 1000)])
