"""Rotation policies, and rotations of keys."""

import uuid
from typing import Any, ClassVar

import sqlalchemy as sa
from sqlalchemy.ext.hybrid import hybrid_property
from sqlalchemy.orm import Mapped, mapped_column, relationship

from kms_schema.models.base import (
    MOST_BYTES,
    Base,
    Channels,
    CreatedAt,
    Document,
    FilledTimestamp,
    Id,
    Timestamp,
    check,
    check_per_engine,
    counted,
    hexadecimal_digest,
    json_shape,
    not_blank,
    one_of,
    vocabulary_column,
)
from kms_schema.models.keys import KeyMaster
from kms_schema.models.versions import KeyVersion
from kms_schema.vocabulary import KeyType, RotationStatus, RotationTrigger


def _clock_time(column: str) -> tuple[sa.CheckConstraint, sa.CheckConstraint]:
    return check_per_engine(
        f"{column}_is_hh_mm",
        postgresql=f"{column} ~ '^([01][0-9]|2[0-3]):[0-5][0-9]$'",
        sqlite=f"{column} GLOB '[01][0-9]:[0-5][0-9]' OR {column} GLOB '2[0-3]:[0-5][0-9]'",
    )


class RotationPolicy(Base):
    """The limits at which keys of one type are due for rotation; an active policy applies to all keys of the type."""

    __tablename__ = "rotation_policies"
    __table_args__: Any = (
        *not_blank("policy_name"),
        *not_blank("timezone"),
        check("key_type_known", one_of("key_type", KeyType)),
        check("rotation_interval_days_positive", "rotation_interval_days > 0"),
        check("max_key_age_days_positive", "max_key_age_days > 0"),
        counted("max_operations", least=1),
        counted("max_data_volume_mb", least=1, most=MOST_BYTES >> 20),
        check("notify_before_rotation_hours_positive", "notify_before_rotation_hours > 0"),
        *_clock_time("rotation_window_start"),
        *_clock_time("rotation_window_end"),
        check("rotation_window_in_pairs", "(rotation_window_start IS NULL) = (rotation_window_end IS NULL)"),
        *json_shape("notification_channels", "object", "array"),
        sa.UniqueConstraint("policy_name"),
        {"sqlite_with_rowid": False},
    )

    id: Mapped[Id]
    policy_name: Mapped[str] = mapped_column(sa.String(100))
    key_type: Mapped[KeyType] = mapped_column(vocabulary_column(KeyType))
    rotation_interval_days: Mapped[int | None] = mapped_column(sa.Integer)
    max_key_age_days: Mapped[int | None] = mapped_column(sa.Integer)
    max_operations: Mapped[int | None] = mapped_column(sa.BigInteger)
    max_data_volume_mb: Mapped[int | None] = mapped_column(sa.BigInteger)
    rotate_on_security_incident: Mapped[bool] = mapped_column(server_default=sa.true())
    rotate_on_compliance_requirement: Mapped[bool] = mapped_column(server_default=sa.false())
    rotation_window_start: Mapped[str | None] = mapped_column(sa.String(5))
    rotation_window_end: Mapped[str | None] = mapped_column(sa.String(5))
    timezone: Mapped[str] = mapped_column(sa.String(64), server_default="UTC")
    notify_before_rotation_hours: Mapped[int] = mapped_column(sa.Integer, server_default=sa.text("24"))
    notification_channels: Mapped[Channels | None]
    is_active: Mapped[bool] = mapped_column(server_default=sa.true())
    created_by: Mapped[str | None] = mapped_column(sa.String(100))
    created_at: Mapped[CreatedAt]
    updated_at: Mapped[CreatedAt] = mapped_column(server_onupdate=sa.FetchedValue())

    rotations: Mapped[list["KeyRotation"]] = relationship(back_populates="policy", passive_deletes="all")

    shown: ClassVar[tuple[str, ...]] = ("policy_name", "key_type", "is_active")


_OPEN = (RotationStatus.SCHEDULED, RotationStatus.RUNNING)
OPEN = "status IN ('SCHEDULED', 'RUNNING')"
"""The condition of an open rotation."""

PENDING_RETRY = "status = 'FAILED' AND next_retry_at IS NOT NULL AND retry_count < max_retries"
"""The condition of a failed rotation with a pending retry."""

TIMES_AGREE = (
    "CASE status"
    " WHEN 'SCHEDULED' THEN started_at IS NULL AND completed_at IS NULL"
    " WHEN 'RUNNING' THEN started_at IS NOT NULL AND completed_at IS NULL"
    " WHEN 'COMPLETED' THEN started_at IS NOT NULL AND completed_at IS NOT NULL AND completed_at >= started_at"
    " WHEN 'FAILED' THEN started_at IS NOT NULL AND failed_at IS NOT NULL AND failed_at >= started_at"
    " AND completed_at IS NULL"
    " END"
)
"""The times of a rotation in each status; `failed_at` remains as the time of the last failure."""


MOST_RETRIES = 1000
MOST_MILLISECONDS = 10**12
"""The maximum of an execution time, 31 years."""


def _version_join(column: str) -> str:
    return f"and_(KeyRotation.key_id == KeyVersion.key_id, foreign(KeyRotation.{column}) == KeyVersion.version_number)"


class KeyRotation(Base):
    """One rotation of a key: planned, claimed by a worker under a lease, completed or failed, retried."""

    __tablename__ = "key_rotations"
    __table_args__: Any = (
        check("trigger_known", one_of('"trigger"', RotationTrigger)),
        check("status_known", one_of("status", RotationStatus)),
        check("new_version_is_later", "new_version > old_version"),
        counted("max_retries", most=MOST_RETRIES),
        check("retry_count_range", "retry_count >= 0 AND retry_count <= max_retries"),
        counted("execution_time_ms", most=MOST_MILLISECONDS),
        counted("affected_records"),
        # On SQLite a trigger fills in times after a CHECK would have run, so that trigger checks the rule.
        check("times_agree_with_status", TIMES_AGREE).ddl_if(dialect="postgresql"),
        *not_blank("claimed_by"),
        *json_shape("trigger_details", "object"),
        *hexadecimal_digest("pre_rotation_checksum"),
        *hexadecimal_digest("post_rotation_checksum"),
        sa.ForeignKeyConstraint(
            ["key_id", "old_version"],
            ["key_versions.key_id", "key_versions.version_number"],
            ondelete="RESTRICT",
            onupdate="RESTRICT",
        ),
        sa.ForeignKeyConstraint(
            ["key_id", "new_version"],
            ["key_versions.key_id", "key_versions.version_number"],
            ondelete="RESTRICT",
            onupdate="RESTRICT",
        ),
        sa.Index("idx_key_rotations_key_id_old_version", "key_id", "old_version"),
        sa.Index("idx_key_rotations_key_id_new_version", "key_id", "new_version"),
        sa.Index("idx_key_rotations_policy_id", "policy_id"),
        sa.Index("idx_key_rotations_history", "key_id", "scheduled_at"),
        sa.Index(
            "uq_key_rotations_open", "key_id", unique=True, postgresql_where=sa.text(OPEN), sqlite_where=sa.text(OPEN)
        ),
        sa.Index("idx_key_rotations_scheduling_covering", "status", "scheduled_at", "key_id", "trigger", "retry_count"),
        # An index entry is at most a third of a page, so it contains only a prefix of the message.
        sa.Index(
            "idx_key_rotations_failed_partial",
            "failed_at",
            "key_id",
            sa.text("substr(error_message, 1, 200)"),
            postgresql_where=sa.text("status = 'FAILED'"),
            sqlite_where=sa.text("status = 'FAILED'"),
        ),
        sa.Index(
            "idx_key_rotations_retry_partial",
            "key_id",
            "next_retry_at",
            postgresql_where=sa.text(PENDING_RETRY),
            sqlite_where=sa.text(PENDING_RETRY),
        ),
        {"sqlite_with_rowid": False},
    )

    id: Mapped[Id]
    key_id: Mapped[uuid.UUID] = mapped_column(sa.ForeignKey("key_masters.id", ondelete="RESTRICT", onupdate="RESTRICT"))
    policy_id: Mapped[uuid.UUID | None] = mapped_column(
        sa.ForeignKey("rotation_policies.id", ondelete="SET NULL", onupdate="RESTRICT")
    )
    trigger: Mapped[RotationTrigger] = mapped_column(vocabulary_column(RotationTrigger))
    trigger_details: Mapped[Document | None]
    scheduled_at: Mapped[CreatedAt]
    started_at: Mapped[FilledTimestamp | None]
    completed_at: Mapped[FilledTimestamp | None]
    failed_at: Mapped[FilledTimestamp | None]
    old_version: Mapped[int | None] = mapped_column(sa.Integer)
    new_version: Mapped[int | None] = mapped_column(sa.Integer)
    status: Mapped[RotationStatus] = mapped_column(
        vocabulary_column(RotationStatus), server_default=RotationStatus.SCHEDULED
    )
    error_message: Mapped[str | None] = mapped_column(sa.Text)
    retry_count: Mapped[int] = mapped_column(sa.Integer, server_default=sa.text("0"), server_onupdate=sa.FetchedValue())
    max_retries: Mapped[int] = mapped_column(sa.Integer, server_default=sa.text("3"))
    next_retry_at: Mapped[Timestamp | None]
    claimed_by: Mapped[str | None] = mapped_column(sa.String(100), server_onupdate=sa.FetchedValue())
    lease_expires_at: Mapped[FilledTimestamp | None]
    execution_time_ms: Mapped[int | None] = mapped_column(sa.BigInteger)
    affected_records: Mapped[int | None] = mapped_column(sa.BigInteger)
    pre_rotation_checksum: Mapped[str | None] = mapped_column(sa.String(64))
    post_rotation_checksum: Mapped[str | None] = mapped_column(sa.String(64))
    rollback_available: Mapped[bool] = mapped_column(server_default=sa.true())

    key: Mapped[KeyMaster] = relationship(back_populates="rotations", foreign_keys=[key_id])
    policy: Mapped[RotationPolicy | None] = relationship(back_populates="rotations")
    # These also make a session insert a key's new version before the rotation that references it.
    old: Mapped[KeyVersion | None] = relationship(primaryjoin=_version_join("old_version"))
    new: Mapped[KeyVersion | None] = relationship(primaryjoin=_version_join("new_version"))

    shown: ClassVar[tuple[str, ...]] = ("id", "trigger", "status", "old_version", "new_version")

    @hybrid_property
    def is_open(self) -> bool:
        """True while it is planned or a worker does it. In queries, too: the condition `OPEN`."""
        return self.status in _OPEN

    @is_open.inplace.expression
    @classmethod
    def _is_open(cls) -> sa.ColumnElement[bool]:
        return cls.status.in_(_OPEN)
