"""What is added up of the audit trail when it is sealed, so that nobody has to read the trail for it."""

import datetime as dt
import uuid

import sqlalchemy as sa
from sqlalchemy.orm import Mapped, mapped_column

from kms_schema.models.base import Base, UtcTimestamp, check, one_of, vocabulary_column
from kms_schema.vocabulary import AuditCategory, AuditSecurityLevel, RotationCause


class KeyAuditDailyTotal(Base):
    """How many sealed entries of one UTC day are alike in category, level and risk score.

    Counts by score, and not a sum and a maximum, so that entries whose retention period ends can be taken out again.
    What no seal is over yet, the view `key_audit_unsealed` has.
    """

    __tablename__ = "key_audit_daily_totals"
    __table_args__ = (
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
    """-1 for entries that have none."""
    event_count: Mapped[int] = mapped_column(sa.BigInteger)


class KeyRotationCause(Base):
    """A sealed entry about a key that makes it due for rotation, where its last rotation was before."""

    __tablename__ = "key_rotation_causes"
    __table_args__ = (
        check("sequence_positive", "sequence >= 1"),
        check("reason_known", one_of("reason", RotationCause)),
        {"sqlite_with_rowid": False},
    )

    key_id: Mapped[uuid.UUID] = mapped_column(primary_key=True)
    """As in the entry, whose foreign key keeps that key from going: one here would only cost a second look."""
    sequence: Mapped[int] = mapped_column(sa.BigInteger, primary_key=True, autoincrement=False)
    """That of the entry."""
    reason: Mapped[RotationCause] = mapped_column(vocabulary_column(RotationCause))
    occurred_at: Mapped[dt.datetime] = mapped_column(UtcTimestamp)
