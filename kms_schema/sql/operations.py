"""Steps of revisions that must not hold up a database in use: on both engines, and as `alembic … --sql` writes them.

A revision asks for what it wants by name; what these steps leave in the catalog is part of its history and never
changes, how they get there may.
"""

import logging
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager

import sqlalchemy as sa
from alembic import op

from kms_schema.sql import verbatim

log = logging.getLogger("alembic.runtime.migration")

LOCK_ATTEMPTS = 10
"""How often the locks of a transaction are asked for with patience, before a revision gives up and changes nothing."""
HASTY_MS = 100
"""How long each attempt before these waits in all, and nobody notices; there are lock_timeout / HASTY_MS of them."""

PLANNING_OPTION = "kms_planning"
"""Option of the migration context: statements are written down and not executed, so none sees what one before made."""

SCHEMA_OPTION = "kms_schema"
LOCK_TIMEOUT_OPTION = "kms_lock_timeout_ms"
LOCK_WAIT_OPTION = "kms_lock_wait_ms"
"""Options of the migration context: where everything lives, how long to wait for a table's lock, and how long for
other transactions to end, which holds nobody up."""

_LOCK = """DO $$
DECLARE
    relations text[] := ARRAY[{relations}];
    relation text;
    since timestamptz;
    held boolean;
    users text;
    timeout integer := (SELECT setting FROM pg_catalog.pg_settings WHERE name = 'lock_timeout');
    -- While one lock is held and the next is waited for, others wait for us, perhaps since we began to wait for the
    -- first. That must end before deadlock_timeout: after it a circle is broken by refusing one of the others.
    haste integer := (SELECT setting::integer * 4 / 5 FROM pg_catalog.pg_settings WHERE name = 'deadlock_timeout');
    -- Who holds a lock for long would hold up everybody who waits behind us: at first we do not wait for such a one,
    -- but come back when it may have gone.
    hasty integer := timeout / {hasty_ms};
    first_wait integer;
    all_waits integer;
BEGIN
    FOR attempt IN 1 - hasty..{attempts} LOOP
        BEGIN
            first_wait := CASE WHEN attempt <= 0 THEN {hasty_ms} ELSE timeout END;
            all_waits := CASE WHEN attempt <= 0 THEN {hasty_ms} ELSE haste END;
            PERFORM pg_catalog.set_config('lock_timeout', first_wait::text, true);
            since := pg_catalog.clock_timestamp();
            held := false;
            FOREACH relation IN ARRAY relations LOOP
                IF held THEN
                    PERFORM pg_catalog.set_config('lock_timeout', greatest(
                        all_waits - pg_catalog.date_part('epoch', pg_catalog.clock_timestamp() - since) * 1000, 1
                    )::integer::text, true);
                END IF;
                CASE (SELECT relkind FROM pg_catalog.pg_class WHERE oid = relation::regclass)
                    WHEN 'm' THEN
                        -- LOCK TABLE takes no materialized view; this takes ACCESS EXCLUSIVE, and changes nothing.
                        EXECUTE 'ALTER MATERIALIZED VIEW ' || relation || ' RESET (user_catalog_table)';
                    WHEN 'v' THEN
                        -- LOCK TABLE would lock what the view reads as well; this takes ACCESS EXCLUSIVE of it alone.
                        EXECUTE 'ALTER VIEW ' || relation || ' RESET (check_option)';
                    ELSE
                        EXECUTE 'LOCK TABLE ' || relation || ' IN {mode} MODE';
                END CASE;
                held := true;
            END LOOP;
            PERFORM pg_catalog.set_config('lock_timeout', timeout::text, true);
            RETURN;
        EXCEPTION WHEN lock_not_available THEN
            -- What this attempt had locked is let go. The next begins with what could not be had, since the first
            -- wait, with nothing held, may be as long as lock_timeout: so long that an autovacuum gives way.
            relations := relation || array_remove(relations, relation);
            IF attempt < {attempts} THEN
                PERFORM pg_catalog.pg_sleep(0.1 + 0.4 * pg_catalog.random());
            END IF;
        END;
    END LOOP;
    SELECT string_agg(DISTINCT pg_catalog.format('process %s of %s', pid, usename), ', ') INTO users
    FROM pg_catalog.pg_locks JOIN pg_catalog.pg_stat_activity USING (pid)
    WHERE pg_locks.relation = relations[1]::regclass AND granted AND pid <> pg_catalog.pg_backend_pid();
    RAISE EXCEPTION USING ERRCODE = '55P03', MESSAGE = pg_catalog.format(
        'canceling statement due to lock timeout: in {attempts} attempts %s could not be locked; in use by %s',
        relations[1], coalesce(users, 'nobody by now')
    );
END
$$"""

_DROP_INVALID = """DO $$
BEGIN
    IF (SELECT NOT indisvalid FROM pg_catalog.pg_index WHERE indexrelid = pg_catalog.to_regclass('{index}')) THEN
        DROP INDEX {index};
    END IF;
END
$$"""


def schema() -> str:
    """Return the PostgreSQL schema that everything lives in, as an identifier."""
    return str(op.get_context().opts.get(SCHEMA_OPTION, "public"))


def qualified(name: str) -> str:
    """Return the name with the schema before it, where there are schemas."""
    return f"{schema()}.{name}" if _on_postgresql() else name


def only_planned() -> bool:
    """Say whether nothing is executed: a script is written, or a plan made."""
    context = op.get_context()
    return bool(context.as_sql or context.opts.get(PLANNING_OPTION))


def create_index(  # noqa: PLR0913  (each is a part of the statement)
    name: str,
    table: str,
    columns: Sequence[str | sa.TextClause],
    *,
    unique: bool = False,
    where: str | None = None,
    using: str | None = None,
    storage: Mapping[str, str | int] | None = None,
) -> None:
    """Build one index on a table that may be large, if it is not there.

    On PostgreSQL it is built CONCURRENTLY, and anew where an interrupted build left it INVALID; unless the caller
    holds a transaction open around the revisions, where neither can be had. `using` and `storage` are PostgreSQL's.
    """
    predicate = sa.text(where) if where else None

    def build(*, concurrently: bool) -> None:
        op.create_index(
            name,
            table,
            columns,
            schema=schema() if _on_postgresql() else None,
            unique=unique,
            if_not_exists=True,
            postgresql_where=predicate,
            postgresql_concurrently=concurrently,
            postgresql_using=using,
            postgresql_with=dict(storage or {}),
            sqlite_where=predicate,
        )

    if not _on_postgresql() or not _concurrently():
        build(concurrently=False)
        return
    with _outside_of_transactions():
        _drop_invalid(qualified(name))
        if not only_planned():
            log.info("building %s on %s", name, qualified(table))
        with _waiting_for_transactions():
            build(concurrently=True)


def exchange_index(name: str) -> None:
    """Put the index that was built as `NAME_next` in the place of the one of this name; its table is locked already."""
    op.execute(f"DROP INDEX {qualified(name)}")
    op.execute(f"ALTER INDEX {qualified(name + '_next')} RENAME TO {name}")


def commit() -> bool:
    """Commit what the revision has made, before its stamp; say whether that was to be had.

    The revision has to recognize it when it is run again. Nothing is committed on SQLite, where nobody can write
    before the end, in a plan or script, and inside a transaction that the caller holds open.
    """
    if not _on_postgresql() or only_planned() or not _concurrently():
        return False
    with _outside_of_transactions():
        return True


def lock(relations: Sequence[str], mode: str) -> None:
    """Lock tables and views of PostgreSQL in this transaction, all or none; on SQLite the file is locked already.

    Views are locked in ACCESS EXCLUSIVE mode, and come before what they read: a reader locks the view first.
    At first it waits in all `HASTY_MS` at a time, which is too short for who waits behind us to notice, then lets
    everybody through and tries again, as often as `lock_timeout` has room for. What cannot be had so, such as a table
    under an autovacuum that gives way only to who waits, it waits for longer: in all at most `lock_timeout` and
    `deadlock_timeout` at a time. Nobody waits longer for us, and nobody's statement is refused for a deadlock with us.
    After `LOCK_ATTEMPTS` of these it fails with SQLSTATE 55P03, and says who holds what could not be had.
    """
    if _on_postgresql():
        listed = ", ".join(f"'{qualified(relation)}'" for relation in relations)
        op.execute(verbatim(_LOCK.format(relations=listed, mode=mode, attempts=LOCK_ATTEMPTS, hasty_ms=HASTY_MS)))


@contextmanager
def _outside_of_transactions() -> Iterator[None]:
    """Run statements that no transaction allows; what was done before is committed.

    Alembic commits behind them in any case, and where the connection is gone its error would hide what ended it: an
    interruption (for which SQLAlchemy gives a connection up), or the server.
    """
    ended_by: BaseException | None = None
    try:
        with op.get_context().autocommit_block():
            try:
                yield
            except BaseException as error:
                ended_by = error
                raise
    except sa.exc.PendingRollbackError:
        if ended_by is None:
            raise
        raise ended_by from None


@contextmanager
def _waiting_for_transactions() -> Iterator[None]:
    """Wait longer than for a table's lock: CONCURRENTLY waits for every older transaction, and holds nobody up."""
    context = op.get_context()
    timeout = f"{context.opts.get(LOCK_TIMEOUT_OPTION, 5000)}ms"
    if not context.as_sql:
        timeout = op.get_bind().scalar(sa.text("SHOW lock_timeout"))
    op.execute(f"SET lock_timeout = '{context.opts.get(LOCK_WAIT_OPTION, 600_000)}ms'")
    try:
        yield
    finally:
        if context.as_sql or not op.get_bind().invalidated:
            op.execute(f"SET lock_timeout = '{timeout}'")


def _drop_invalid(index: str) -> None:
    if op.get_context().as_sql:
        op.execute(verbatim(_DROP_INVALID.format(index=index)))
        return
    query = sa.text("SELECT NOT indisvalid FROM pg_catalog.pg_index WHERE indexrelid = to_regclass(:index)")
    if op.get_bind().scalar(query, {"index": index}):
        with _waiting_for_transactions():
            op.execute(f"DROP INDEX CONCURRENTLY {index}")


def _concurrently() -> bool:
    context = op.get_context()
    # Private, and the only place that says so when a host's environment runs these revisions.
    inside = getattr(context, "_in_external_transaction", False)
    return bool(context.opts.get("kms_concurrently", not inside))


def _on_postgresql() -> bool:
    return op.get_context().dialect.name == "postgresql"
