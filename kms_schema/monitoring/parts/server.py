"""The versions of package and schema, and slow statements of the server."""

from kms_schema._version import __version__
from kms_schema.monitoring.reader import Reader
from kms_schema.monitoring.samples import Read, Sample

SLOW_MILLISECONDS = 50

_REVISION = "SELECT version_num FROM {s}.alembic_version ORDER BY version_num"
_READABLE = """SELECT pg_catalog.has_table_privilege(class.oid, 'SELECT') FROM pg_catalog.pg_class AS class
WHERE class.oid = pg_catalog.to_regclass(%(table)s)"""
_READABLE_ON_SQLITE = "SELECT 1 FROM {s}.sqlite_master WHERE type = 'table' AND name = 'alembic_version'"


def database(reader: Reader) -> Read:
    """Show the versions; the revision is unknown where Alembic's table has another name."""
    if reader.on_sqlite:
        readable = reader.row(_READABLE_ON_SQLITE)
    else:
        readable = reader.row(_READABLE, table=f"{reader.schema}.alembic_version")
    revisions = [row[0] for row in reader.rows(_REVISION)] if readable and readable[0] else []
    engine = "sqlite" if reader.on_sqlite else "postgresql"
    return Read([Sample("kms_build_info", 1, (__version__, ",".join(revisions) or "unknown", engine))])


_EXTENSION = """SELECT pg_catalog.quote_ident(space.nspname), pg_catalog.pg_has_role('pg_read_all_stats', 'USAGE'),
    EXISTS (
        SELECT FROM pg_catalog.pg_attribute AS attribute
        WHERE attribute.attrelid = pg_catalog.to_regclass(
                pg_catalog.quote_ident(space.nspname) || '.pg_stat_statements'
            ) AND attribute.attname = 'mean_exec_time'
    )
FROM pg_catalog.pg_extension AS extension
INNER JOIN pg_catalog.pg_namespace AS space ON extension.extnamespace = space.oid
WHERE extension.extname = 'pg_stat_statements'"""
_LOADED = "SELECT pg_catalog.current_setting('pg_stat_statements.max', true) IS NOT NULL"
_SLOW = """SELECT count(*) FILTER (WHERE statement.mean_exec_time >= {slow}),
    coalesce(max(statement.mean_exec_time), 0)
FROM {extension}.pg_stat_statements(false) AS statement
INNER JOIN pg_catalog.pg_database AS base ON statement.dbid = base.oid
WHERE base.datname = pg_catalog.current_database()"""


def statements(reader: Reader) -> Read:
    """Count slow statements of this database, where the extension pg_stat_statements can be read."""
    if reader.on_sqlite:
        return Read([], skipped="SQLite has no statistics of statements")
    extension, allowed, current = reader.row(_EXTENSION) or (None, False, False)
    reason = None
    if extension is None:
        reason = "the extension pg_stat_statements is not in this database"
    elif not allowed:
        reason = "the role is no member of pg_read_all_stats"
    elif not current:
        reason = "the extension pg_stat_statements is older than 1.8: run ALTER EXTENSION pg_stat_statements UPDATE"
    elif reader.rows(_LOADED) != [(True,)]:
        reason = "pg_stat_statements is not in shared_preload_libraries"
    if reason is not None:
        return Read([], skipped=reason)
    [(slow, slowest)] = reader.rows(_SLOW.replace("{extension}", extension).replace("{slow}", str(SLOW_MILLISECONDS)))
    return Read([Sample("kms_slow_statements", slow), Sample("kms_slowest_statement_average_seconds", slowest / 1000)])
