"""Options of a migration, from `-x` of Alembic or from the options of `kms-schema`."""

import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Self

from sqlalchemy.dialects import postgresql

from kms_schema.migrate.faults import MigrationUsageError
from kms_schema.sql.operations import LOCK_TIMEOUT_OPTION, LOCK_WAIT_OPTION, SCHEMA_OPTION

_NAME = re.compile(r"[a-z_][a-z0-9_]{0,62}")
_MOST_MS = 2**31 - 1
_LONGEST_VERSION_TABLE = 59
"""Alembic appends `_pkc` for the name of its primary key."""


@dataclass(frozen=True)
class MigrationOptions:
    """Options of a migration.

    Raises `MigrationUsageError` for names that PostgreSQL would have to quote, and for times out of range.

    Example: `MigrationOptions(schema="kms", lock_wait=60)`.
    """

    schema: str = "public"
    """The PostgreSQL schema of all objects, Alembic's version table included."""
    version_table: str = "alembic_version"
    """Alembic's version table of this history; another name than the host application's keeps the two apart."""
    lock_wait: float = 600
    """Seconds to wait for another upgrade, and for transactions that CONCURRENTLY must outlive."""
    lock_timeout_ms: int = 5000
    """Milliseconds to wait for a table's lock, while clients wait behind this migration."""
    allow_audit_loss: bool = False
    """True if a downgrade may destroy the audit trail."""

    def __post_init__(self) -> None:
        """Check names and times; raise `MigrationUsageError`."""
        for option, name in (("schema", self.schema), ("version-table", self.version_table)):
            quoted = postgresql.dialect().identifier_preparer.quote(name) != name  # type: ignore[no-untyped-call]
            if quoted or not _NAME.fullmatch(name) or name.startswith("pg_") or name == "information_schema":
                raise MigrationUsageError(
                    f"{option}={name}: write a name of lower-case letters, digits and underscores that PostgreSQL "
                    "does not reserve"
                )
        if len(self.version_table) > _LONGEST_VERSION_TABLE:
            raise MigrationUsageError(
                f"version-table={self.version_table}: write a name of at most {_LONGEST_VERSION_TABLE} characters"
            )
        # PostgreSQL takes both in milliseconds.
        if not (0 <= self.lock_wait <= _MOST_MS // 1000 and 0 < self.lock_timeout_ms <= _MOST_MS):
            raise MigrationUsageError(
                f"lock-wait is a number of seconds from 0 to {_MOST_MS // 1000}, and lock-timeout-ms a "
                f"number of milliseconds from 1 to {_MOST_MS}"
            )

    @classmethod
    def from_x_arguments(cls, given: Mapping[str, str]) -> Self:
        """Return the options that `-x name=value …` gives; raises `MigrationUsageError`, also for unknown names."""
        known: dict[str, Any] = {}
        for name, value in given.items():
            if name == "url":
                continue
            if name not in _READERS:
                named = f"-x {name}=…" if re.fullmatch("[a-z-]+", name) else "-x"  # not a URL with its password
                raise MigrationUsageError(f"unknown option {named}; the options are url, {', '.join(_READERS)}")
            try:
                known[name.replace("-", "_")] = _READERS[name](value)
            except ValueError:
                raise MigrationUsageError(f"-x {name}={value}: write a number, such as {_EXAMPLES[name]}") from None
        return cls(**known)

    def x_arguments(self) -> Iterator[str]:
        """Yield `name=value` for each option, to be given to Alembic after `-x`."""
        yield f"schema={self.schema}"
        yield f"version-table={self.version_table}"
        yield f"lock-wait={self.lock_wait}"
        yield f"lock-timeout-ms={self.lock_timeout_ms}"
        if self.allow_audit_loss:
            yield "allow-audit-loss=yes"

    def for_context(self, dialect: str) -> dict[str, Any]:
        """Return the arguments of Alembic's `context.configure` for these options.

        `dialect` is `postgresql` or `sqlite`. Raises `MigrationUsageError` for a schema on SQLite.
        """
        postgresql = dialect == "postgresql"
        if not postgresql and self.schema != "public":
            raise MigrationUsageError(f"schema={self.schema}: SQLite has no schemas; leave it out")
        return {
            "version_table": self.version_table,
            "version_table_schema": self.schema if self.schema != "public" else None,
            "transaction_per_migration": postgresql,
            # SQLite's DDL rolls back with its transaction, which Alembic does not assume by itself.
            "transactional_ddl": True,
            SCHEMA_OPTION: self.schema,
            LOCK_TIMEOUT_OPTION: self.lock_timeout_ms,
            LOCK_WAIT_OPTION: int(self.lock_wait * 1000),
        }


_READERS: dict[str, Callable[[str], Any]] = {
    "schema": str,
    "version-table": str,
    "lock-wait": float,
    "lock-timeout-ms": int,
    "allow-audit-loss": lambda answer: answer == "yes",
}
_EXAMPLES = {"lock-wait": "600", "lock-timeout-ms": "5000"}
