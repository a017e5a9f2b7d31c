"""Keys: their use, status and times."""

from typing import TYPE_CHECKING, Annotated, Any, ClassVar

import sqlalchemy as sa
from sqlalchemy.ext.hybrid import hybrid_property
from sqlalchemy.orm import Mapped, mapped_column, relationship

from kms_schema.models.base import (
    Base,
    Counter,
    CreatedAt,
    Document,
    FilledTimestamp,
    Id,
    JsonDocument,
    Timestamp,
    Words,
    check,
    counted,
    json_shape,
    not_blank,
    one_of,
    vocabulary_column,
)
from kms_schema.vocabulary import KEY_STATUS_TIME, HsmProvider, KeySecurityLevel, KeyStatus, KeyType, statuses_before

if TYPE_CHECKING:
    from kms_schema.models.audit import KeyAuditLog
    from kms_schema.models.rotation import KeyRotation
    from kms_schema.models.versions import KeyVersion


def _status_requires_time(status: KeyStatus) -> sa.CheckConstraint:
    time = KEY_STATUS_TIME[status]
    # On SQLite a trigger fills in the time after a CHECK would have run, so that trigger checks the rule.
    return check(f"{status}_has_{time}", f"status <> '{status}' OR {time} IS NOT NULL").ddl_if(dialect="postgresql")


def impossible_times() -> str:
    """Return the condition that a key has no time of a status that it cannot have had.

    `rotated_at` is also the time of the latest rotation of a key that stays active, so `active` may have it.
    """
    rules = []
    for status in KeyStatus:
        seen = {*statuses_before(status), status}
        if status is KeyStatus.ACTIVE:
            seen.add(KeyStatus.ROTATED)
        unseen = [time for other, time in KEY_STATUS_TIME.items() if other not in seen]
        if unseen:
            rules.append(f"(status <> '{status}' OR ({' AND '.join(f'{time} IS NULL' for time in unseen)}))")
    return " AND ".join(rules)


DECRYPTING = (KeyStatus.ACTIVE, KeyStatus.ROTATED, KeyStatus.EXPIRED)
"""The statuses in which a key opens what it has encrypted."""

EncryptedColumns = Annotated[list[dict[str, str]], mapped_column(JsonDocument)]
"""Columns of applications, each as `{"schema": …, "table": …, "column": …}`, on SQLite without `schema`."""

ANYWHERE = "*"
"""Each name of the element that says that ciphertexts may be outside of columns, too."""


class KeyMaster(Base):
    """A key: its use, status and times. The key material is in its versions."""

    __tablename__ = "key_masters"
    __table_args__: Any = (
        *not_blank("key_id"),
        *not_blank("algorithm"),
        *not_blank("hsm_key_id"),
        check("key_type_known", one_of("key_type", KeyType)),
        check("status_known", one_of("status", KeyStatus)),
        check("security_level_known", one_of("security_level", KeySecurityLevel)),
        check("hsm_provider_known", one_of("hsm_provider", HsmProvider)),
        check("key_size_bits_positive", "key_size_bits > 0"),
        counted("usage_count"),
        counted("max_usage_count", least=1),
        check("expires_after_creation", "expires_at > created_at"),
        check("hsm_provider_and_key_together", "(hsm_provider IS NULL) = (hsm_key_id IS NULL)"),
        check("hsm_type_is_hsm_held", "key_type <> 'hsm' OR hsm_provider IS NOT NULL"),
        check("parent_is_another_key", "parent_key_id <> key_id"),
        *(_status_requires_time(status) for status in KEY_STATUS_TIME),
        check("times_agree_with_status", impossible_times()),
        *json_shape("hsm_metadata", "object"),
        *json_shape("compliance_tags", "array"),
        *json_shape("encrypted_columns", "array"),
        sa.UniqueConstraint("key_id"),
        sa.Index("idx_key_masters_parent_key_id", "parent_key_id"),
        sa.Index("idx_key_masters_newest", "status", "key_type", "created_at", "key_id"),
        sa.Index("idx_key_masters_dashboard_covering", "status", "key_type", "created_at", "expires_at", "usage_count"),
        sa.Index(
            "idx_key_masters_expiring_partial",
            "expires_at",
            "key_id",
            "key_type",
            postgresql_where=sa.text("status = 'active' AND expires_at IS NOT NULL"),
            sqlite_where=sa.text("status = 'active' AND expires_at IS NOT NULL"),
        ),
        sa.Index(
            "idx_key_masters_hsm_partial",
            "hsm_provider",
            "hsm_key_id",
            "status",
            postgresql_where=sa.text("hsm_provider IS NOT NULL"),
            sqlite_where=sa.text("hsm_provider IS NOT NULL"),
        ),
        sa.Index(
            "idx_key_masters_rotation_partial",
            "key_type",
            sa.text("coalesce(rotated_at, activated_at)"),
            postgresql_where=sa.text("status = 'active'"),
            sqlite_where=sa.text("status = 'active'"),
        ),
        {"sqlite_with_rowid": False},
    )

    id: Mapped[Id]
    key_id: Mapped[str] = mapped_column(sa.String(64))
    key_type: Mapped[KeyType] = mapped_column(vocabulary_column(KeyType))
    algorithm: Mapped[str] = mapped_column(sa.String(50))
    key_size_bits: Mapped[int] = mapped_column(sa.Integer)
    status: Mapped[KeyStatus] = mapped_column(vocabulary_column(KeyStatus), server_default=KeyStatus.PENDING)
    created_at: Mapped[CreatedAt]
    activated_at: Mapped[FilledTimestamp | None]
    rotated_at: Mapped[FilledTimestamp | None]
    expires_at: Mapped[Timestamp | None]
    expired_at: Mapped[FilledTimestamp | None]
    revoked_at: Mapped[FilledTimestamp | None]
    archived_at: Mapped[FilledTimestamp | None]
    status_reason: Mapped[str | None] = mapped_column(sa.Text)
    parent_key_id: Mapped[str | None] = mapped_column(
        sa.String(64), sa.ForeignKey("key_masters.key_id", ondelete="RESTRICT", onupdate="RESTRICT")
    )
    derivation_path: Mapped[str | None] = mapped_column(sa.String(255))
    usage_count: Mapped[Counter]
    max_usage_count: Mapped[int | None] = mapped_column(sa.BigInteger)
    hsm_provider: Mapped[HsmProvider | None] = mapped_column(vocabulary_column(HsmProvider))
    hsm_key_id: Mapped[str | None] = mapped_column(sa.String(255))
    hsm_metadata: Mapped[Document | None]
    security_level: Mapped[KeySecurityLevel] = mapped_column(
        vocabulary_column(KeySecurityLevel), server_default=KeySecurityLevel.HIGH
    )
    compliance_tags: Mapped[Words | None]
    encrypted_columns: Mapped[EncryptedColumns | None]
    updated_at: Mapped[CreatedAt] = mapped_column(server_onupdate=sa.FetchedValue())

    parent: Mapped["KeyMaster | None"] = relationship(remote_side="KeyMaster.key_id", back_populates="children")
    children: Mapped[list["KeyMaster"]] = relationship(back_populates="parent", passive_deletes="all")
    versions: Mapped[list["KeyVersion"]] = relationship(
        back_populates="key", order_by="KeyVersion.version_number", passive_deletes="all"
    )
    rotations: Mapped[list["KeyRotation"]] = relationship(
        back_populates="key", order_by="KeyRotation.scheduled_at", passive_deletes="all"
    )
    audit_entries: Mapped[list["KeyAuditLog"]] = relationship(
        back_populates="key", order_by="KeyAuditLog.sequence", passive_deletes="all"
    )

    shown: ClassVar[tuple[str, ...]] = ("key_id", "key_type", "status")

    # Each is usable in queries, too: `select(KeyMaster).where(KeyMaster.is_active)`.

    @hybrid_property
    def is_active(self) -> bool:
        """True for the status `active`. Such a key encrypts until `expires_at`, and below its limit."""
        return self.status == KeyStatus.ACTIVE

    @hybrid_property
    def is_decrypting(self) -> bool:
        """True for the statuses in which a key opens what it has encrypted: `active`, `rotated`, `expired`."""
        return self.status in DECRYPTING

    @is_decrypting.inplace.expression
    @classmethod
    def _is_decrypting(cls) -> sa.ColumnElement[bool]:
        return cls.status.in_(DECRYPTING)

    @hybrid_property
    def encrypts_elsewhere(self) -> bool:
        """True if ciphertexts may be outside of `encrypted_columns`, too: in files, other tables, other databases."""
        return any(ANYWHERE in each.values() for each in self.encrypted_columns or ())

    @encrypts_elsewhere.inplace.expression
    @classmethod
    def _encrypts_elsewhere(cls) -> sa.ColumnElement[bool]:
        # A quotation mark within a text is written with a backslash, so this is a whole text.
        return sa.func.coalesce(sa.cast(cls.encrypted_columns, sa.Text), "").contains(f'"{ANYWHERE}"', autoescape=True)
