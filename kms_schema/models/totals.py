"""Totals of the audit log for views, updated when entries are sealed, and the times of the views' last refreshes."""

import datetime as dt
import uuid
from typing import Any

import sqlalchemy as sa
from sqlalchemy.orm import Mapped, mapped_column

from kms_schema.models.base import Base, CreatedAt, UtcTimestamp, check, one_of, vocabulary_column
from kms_schema.vocabulary import AuditCategory, AuditSecurityLevel, RotationCause


class KeyAuditDailyTotal(Base):
    """The number of sealed entries by UTC day, category, level and risk score.

    Counts by score, instead of a sum and a maximum, so that removed entries can be subtracted. The view
    `key_audit_unsealed` has the entries that are not sealed yet.
    """

    __tablename__ = "key_audit_daily_totals"
    __table_args__: Any = (
        check("event_category_known", one_of("event_category", AuditCategory)),
        check("security_level_known", one_of("security_level", AuditSecurityLevel)),
        check("risk_score_range", "risk_score BETWEEN -1 AND 100"),
        check("event_count_not_negative", "event_count >= 0"),
        {"sqlite_with_rowid": False},
    )

    day: Mapped[dt.date] = mapped_column(sa.Date, primary_key=True)
    event_category: Mapped[AuditCategory] = mapped_column(vocabulary_column(AuditCategory), primary_key=True)
    security_level: Mapped[AuditSecurityLevel] = mapped_column(vocabulary_column(AuditSecurityLevel), primary_key=True)
    risk_score: Mapped[int] = mapped_column(sa.Integer, primary_key=True, autoincrement=False)
    """-1 for entries without a score."""
    event_count: Mapped[int] = mapped_column(sa.BigInteger)


class KeyRotationCause(Base):
    """A sealed entry that makes its key due for rotation, unless the key has been rotated since."""

    __tablename__ = "key_rotation_causes"
    __table_args__: Any = (
        check("sequence_positive", "sequence >= 1"),
        check("reason_known", one_of("reason", RotationCause)),
        {"sqlite_with_rowid": False},
    )

    key_id: Mapped[uuid.UUID] = mapped_column(primary_key=True)
    """The key of the entry; the entry's foreign key already prevents deletion of the key."""
    sequence: Mapped[int] = mapped_column(sa.BigInteger, primary_key=True, autoincrement=False)
    """The sequence of the entry."""
    reason: Mapped[RotationCause] = mapped_column(vocabulary_column(RotationCause))
    occurred_at: Mapped[dt.datetime] = mapped_column(UtcTimestamp)


class KeyViewRefresh(Base):
    """The time of the last refresh of a materialized view (PostgreSQL; SQLite's views are never stale).

    A column of the view would make each concurrent refresh rewrite every row.
    """

    __tablename__ = "key_view_refreshes"
    __table_args__: Any = ({"info": {"only_on": "postgresql"}},)

    view_name: Mapped[str] = mapped_column(sa.String(63), primary_key=True)
    refreshed_at: Mapped[CreatedAt]
