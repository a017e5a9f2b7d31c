"""Conditions of an upgrade of a SQLite file: problems, waiting writers, and disk space."""

import os
import shutil
import sqlite3
from collections.abc import Iterator
from pathlib import Path

import sqlalchemy as sa

from kms_schema.migrate.faults import not_in_utf8
from kms_schema.preflight.plan import Plan
from kms_schema.preflight.verdict import Disk, Held, Work
from kms_schema.sql import query_beside

OLDEST = (3, 35, 0)

BYTES_PER_SECOND = 50 * 2**20
"""Rough throughput of an upgrade, for an estimate of its duration."""

_NAMES = sa.text(query_beside(__file__, "sqlite_names"))
_TABLES = sa.text(query_beside(__file__, "sqlite_tables"))
_INDEX_SHARE = 0.25
"""An index of a few columns, as a share of its table."""


def problems(connection: sa.Connection, plan: Plan, file: Path) -> Iterator[str]:
    """Yield each condition that would stop the upgrade of `file` by `plan`, with the advice."""
    if sqlite3.sqlite_version_info < OLDEST:
        yield f"SQLite {sqlite3.sqlite_version} is too old: use a Python with 3.35 or later"
    if (problem := not_in_utf8(str(connection.scalar(sa.text("PRAGMA main.encoding"))))) is not None:
        yield problem
    for path in (file, file.absolute().parent):
        if path.exists() and not os.access(path, os.W_OK, effective_ids=os.access in os.supports_effective_ids):
            yield f"{path} cannot be written: make the file and its folder writable, or take another file"
    if not file.absolute().parent.is_dir():
        yield f"there is no folder {file.absolute().parent}: create it first"
    wanted = _wanted(plan)
    for (name,) in connection.execute(_NAMES):
        if name in wanted:
            yield f"{name} already exists, and is not from these migrations: rename it, or take another file"


def _wanted(plan: Plan) -> set[str]:
    """Return the names that must not exist yet: created objects, without objects that a statement before drops."""
    wanted: set[str] = set()
    dropped: set[str] = set()
    for each in plan.declarations:
        dropped.update(each.drops)
        wanted |= set(each.creates) - dropped
    return wanted


def held(connection: sa.Connection, plan: Plan, file: Path) -> Iterator[Held]:
    """Yield the write lock of the file: the whole upgrade is one transaction that holds it."""
    size = _bytes(connection)
    indexes = sum(each.index is not None for each in plan.declarations)
    if plan.revisions and size:
        work = Work(
            lock="the file's write lock",
            holds_up="writers wait",
            works=(f"{len(plan.statements)} statements in one transaction, {indexes} of them indexes",),
            seconds=_needed(connection, plan) / BYTES_PER_SECOND,
        )
        yield Held(plan.target, str(file), None, size, (work,))


def disk(connection: sa.Connection, plan: Plan, file: Path) -> Disk:
    """Return the bytes that new indexes take, in the file and in its write-ahead log, and the free space."""
    folder = file.absolute().parent
    free = shutil.disk_usage(folder).free if folder.is_dir() else None
    return Disk(2 * _needed(connection, plan), free)


def _needed(connection: sa.Connection, plan: Plan) -> int:
    tables = {name for (name,) in connection.execute(_TABLES)}
    indexed = [each.index.table for each in plan.declarations if each.index is not None]
    # SQLite counts no bytes of a table (dbstat is rarely built in): the estimate takes the whole file for each.
    return int(sum(_bytes(connection) * _INDEX_SHARE for table in indexed if table in tables))


def _bytes(connection: sa.Connection) -> int:
    pages, page_size = (connection.scalar(sa.text(f"PRAGMA {name}")) for name in ("page_count", "page_size"))
    return int(pages or 0) * int(page_size or 0)
