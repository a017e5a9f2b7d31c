"""The audit log: entries that are written once."""

import datetime as dt
import uuid
from typing import Any, ClassVar

import sqlalchemy as sa
from sqlalchemy.ext.compiler import compiles
from sqlalchemy.orm import Mapped, mapped_column, relationship
from sqlalchemy.sql.functions import FunctionElement

from kms_schema.models.base import (
    SQLITE_NEW_ID,
    Base,
    Document,
    UtcTimestamp,
    Words,
    check,
    check_per_engine,
    json_shape,
    not_blank,
    one_of,
    vocabulary_column,
)
from kms_schema.models.keys import KeyMaster
from kms_schema.reading.times import SQLITE_NOW
from kms_schema.vocabulary import AuditCategory, AuditSecurityLevel


class set_by_server(FunctionElement[Any]):  # noqa: N801  (named like an SQL function)
    """The default of a column that only the database may set.

    On PostgreSQL a guard trigger sets the column and refuses any value in an INSERT, so the default is NULL. A SQLite
    trigger cannot set columns of the new row: the default is `on_sqlite`, and a guard trigger refuses any other value.
    """

    inherit_cache: bool | None = False

    def __init__(self, on_sqlite: str) -> None:
        """Take the default on SQLite, an SQL expression."""
        self.on_sqlite = on_sqlite
        super().__init__()


@compiles(set_by_server, "postgresql")
def _set_by_server_postgresql(_element: set_by_server, _compiler: Any, **_kw: Any) -> str:
    return "NULL"


@compiles(set_by_server, "sqlite")
def _set_by_server_sqlite(element: set_by_server, _compiler: Any, **_kw: Any) -> str:
    return f"({element.on_sqlite})"


HIGH_RISK = "risk_score >= 70 OR security_level IN ('HIGH', 'CRITICAL')"
"""The condition of an entry that requires a review."""


class KeyAuditLog(Base):
    """One entry of the audit log, never changed. The database sets `id`, `sequence`, `timestamp` and `recorded_by`."""

    __tablename__ = "key_audit_logs"
    __table_args__: Any = (
        # ASCII only, so that no type looks like another: docs/recorded.md.
        *check_per_engine(
            "event_type_is_name",
            postgresql="event_type ~ '^[A-Za-z][A-Za-z0-9_.:-]*$'",
            sqlite="event_type GLOB '[A-Za-z]*' AND event_type NOT GLOB '*[^A-Za-z0-9_.:-]*'",
        ),
        check("event_category_known", one_of("event_category", AuditCategory)),
        check("security_level_known", one_of("security_level", AuditSecurityLevel)),
        check("duration_ms_not_negative", "duration_ms >= 0"),
        check("risk_score_range", "risk_score BETWEEN 0 AND 100"),
        check("retention_period_days_range", "retention_period_days BETWEEN 1 AND 36500"),
        *json_shape("compliance_tags", "array"),
        *json_shape("additional_metadata", "object"),
        sa.UniqueConstraint("sequence"),
        sa.Index("idx_key_audit_logs_history", "key_id", "timestamp"),
        sa.Index(
            "idx_key_audit_logs_timestamp",
            "timestamp",
            postgresql_using="brin",
            postgresql_with={"autosummarize": "on", "pages_per_range": 32},
        ),
        sa.Index(
            "idx_key_audit_high_risk_partial",
            "timestamp",
            "key_id",
            "event_type",
            "risk_score",
            postgresql_where=sa.text(HIGH_RISK),
            sqlite_where=sa.text(HIGH_RISK),
        ),
        {"sqlite_with_rowid": False},
    )

    id: Mapped[uuid.UUID] = mapped_column(sa.Uuid, primary_key=True, server_default=set_by_server(SQLITE_NEW_ID))
    sequence: Mapped[int] = mapped_column(sa.BigInteger, server_default=set_by_server("0"))
    key_id: Mapped[uuid.UUID | None] = mapped_column(
        sa.ForeignKey("key_masters.id", ondelete="RESTRICT", onupdate="RESTRICT")
    )
    event_type: Mapped[str] = mapped_column(sa.String(50))
    event_category: Mapped[AuditCategory] = mapped_column(vocabulary_column(AuditCategory))
    event_description: Mapped[str] = mapped_column(sa.Text)
    user_id: Mapped[str | None] = mapped_column(sa.String(100))
    session_id: Mapped[str | None] = mapped_column(sa.String(100))
    client_ip: Mapped[str | None] = mapped_column(sa.String(45))
    user_agent: Mapped[str | None] = mapped_column(sa.String(500))
    timestamp: Mapped[dt.datetime] = mapped_column(UtcTimestamp, server_default=set_by_server(SQLITE_NOW))
    duration_ms: Mapped[int | None] = mapped_column(sa.BigInteger)
    security_level: Mapped[AuditSecurityLevel] = mapped_column(
        vocabulary_column(AuditSecurityLevel), server_default=AuditSecurityLevel.LOW
    )
    risk_score: Mapped[int | None] = mapped_column(sa.Integer)
    compliance_tags: Mapped[Words | None]
    retention_period_days: Mapped[int] = mapped_column(sa.Integer, server_default=sa.text("2555"))
    recorded_by: Mapped[str] = mapped_column(sa.String(100), server_default=set_by_server("'sqlite'"))
    additional_metadata: Mapped[Document | None]

    key: Mapped[KeyMaster | None] = relationship(back_populates="audit_entries")

    shown: ClassVar[tuple[str, ...]] = ("sequence", "event_type", "key_id", "timestamp")

    # SQLite's RETURNING shows the row before the AFTER trigger sets its sequence.
    __mapper_args__: Any = {"eager_defaults": False}  # noqa: RUF012  (SQLAlchemy types it as Any)


class KeyAuditActor(Base):
    """The actor of the current transaction (SQLite; PostgreSQL has the setting `kms.actor`).

    The triggers that write entries copy it to `user_id`. The row must be deleted before the transaction commits: its
    deferred foreign key references a row that cannot exist, and `guard_key_audit_actor_insert` requires foreign keys to
    be enabled. `kms_schema.models.acting_for` does this on both engines.
    """

    __tablename__ = "key_audit_actor"
    __table_args__: Any = (
        *not_blank("actor"),
        check("until_commit_blank", "until_commit = ''"),
        sa.UniqueConstraint("actor"),
        {"sqlite_with_rowid": False, "info": {"only_on": "sqlite"}},
    )

    until_commit: Mapped[str] = mapped_column(
        sa.ForeignKey("key_audit_actor.actor", deferrable=True, initially="DEFERRED"),
        primary_key=True,
        server_default="",
    )
    actor: Mapped[str] = mapped_column(sa.String(100))

    shown: ClassVar[tuple[str, ...]] = ("actor",)
