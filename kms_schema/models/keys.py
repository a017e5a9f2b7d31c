"""Keys and their versions with the encrypted material."""

import uuid
from typing import TYPE_CHECKING, Annotated, Any

import sqlalchemy as sa
from sqlalchemy.orm import Mapped, mapped_column, relationship

from kms_schema.envelope_format import EnvelopeFormat
from kms_schema.models.base import (
    MOST_BYTES,
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
    check_per_engine,
    counted,
    hexadecimal_digest,
    json_shape,
    not_blank,
    one_of,
    vocabulary_column,
)
from kms_schema.models.envelopes import EnvelopeBytes
from kms_schema.vocabulary import (
    KEY_STATUS_TIME,
    HsmProvider,
    KeySecurityLevel,
    KeyStatus,
    KeyType,
    statuses_before,
)

if TYPE_CHECKING:
    from kms_schema.models.audit import KeyAuditLog
    from kms_schema.models.rotation import KeyRotation


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


EncryptedColumns = Annotated[list[dict[str, str]], mapped_column(JsonDocument)]
"""Columns of applications, each as `{"schema": …, "table": …, "column": …}`, on SQLite without `schema`."""


class KeyMaster(Base):
    """A key: its use, status and times. The key material is in its versions."""

    __tablename__ = "key_masters"
    __table_args__ = (
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
        sa.Index(
            "idx_key_masters_dashboard_covering",
            "status",
            "key_type",
            "created_at",
            "expires_at",
            "usage_count",
        ),
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


CopiedKeyType = Annotated[KeyType, mapped_column(vocabulary_column(KeyType), server_onupdate=sa.FetchedValue())]
"""The type of the key, which a trigger copies for an index; null in versions from before revision 005."""
Ceiling = Annotated[int, mapped_column(sa.BigInteger, server_onupdate=sa.FetchedValue())]
"""An upper bound of a counter until a trigger computes the next; null in versions from before revision 005."""

LIVE = "activated_at IS NOT NULL AND deactivated_at IS NULL"
"""The condition of the live version, with which a key encrypts."""


MOST_TAG = 2**32 - 1
"""The greatest tag: ciphertexts begin with the tag of their version in four bytes."""


class KeyVersion(Base):
    """One version of a key: its encrypted material, times and counters.

    The database draws `ciphertext_tag` at random unless the INSERT brings one.
    """

    __tablename__ = "key_versions"
    __table_args__ = (
        check("version_number_positive", "version_number > 0"),
        counted("usage_count"),
        counted("data_volume_bytes", most=MOST_BYTES),
        check("generation_time_ms_not_negative", "generation_time_ms >= 0"),
        check("entropy_score_range", "entropy_score BETWEEN 0 AND 100"),
        *hexadecimal_digest("key_checksum"),
        *json_shape("encryption_metadata", "object"),
        *not_blank("wrapping_key_ref"),
        check("destroyed_has_no_material", "destroyed_at IS NULL OR encrypted_key_data IS NULL"),
        check(
            "one_wrapper",
            "CASE WHEN encrypted_key_data IS NOT NULL"
            " THEN (wrapped_by_version_id IS NULL) <> (wrapping_key_ref IS NULL)"
            " ELSE destroyed_at IS NOT NULL OR (wrapped_by_version_id IS NULL AND wrapping_key_ref IS NULL) END",
        ),
        check("material_has_checksum", "encrypted_key_data IS NULL OR key_checksum IS NOT NULL"),
        *check_per_engine(
            "material_is_envelope",
            postgresql="substring(encrypted_key_data FROM 1 FOR 1) IN ('\\x01'::bytea, '\\x02'::bytea)",
            # substr() of an empty blob is NULL, and a CHECK accepts NULL.
            sqlite="encrypted_key_data IS NULL"
            " OR (length(encrypted_key_data) > 0 AND substr(encrypted_key_data, 1, 1) IN (x'01', x'02'))",
        ),
        *check_per_engine(
            "material_names_its_envelope",
            postgresql="encrypted_key_data IS NULL OR (encryption_metadata IS NOT NULL"
            " AND jsonb_exists_all(encryption_metadata, ARRAY['format', 'algorithm', 'associated_data']))",
            sqlite="encrypted_key_data IS NULL OR (encryption_metadata IS NOT NULL"
            " AND json_type(encryption_metadata, '$.format') IS NOT NULL"
            " AND json_type(encryption_metadata, '$.algorithm') IS NOT NULL"
            " AND json_type(encryption_metadata, '$.associated_data') IS NOT NULL)",
        ),
        *check_per_engine(
            "ciphertext_tag_range",
            postgresql=f"ciphertext_tag BETWEEN 1 AND {MOST_TAG}",
            # An AFTER trigger draws the tag, and a CHECK runs before it.
            sqlite=f"ciphertext_tag BETWEEN 0 AND {MOST_TAG}",
        ),
        sa.UniqueConstraint("key_id", "version_number"),
        sa.UniqueConstraint("ciphertext_tag"),
        sa.Index(
            "uq_key_versions_live",
            "key_id",
            unique=True,
            postgresql_where=sa.text(LIVE),
            sqlite_where=sa.text(LIVE),
        ),
        sa.Index("idx_key_versions_wrapped_by_version_id", "wrapped_by_version_id"),
        sa.Index(
            "idx_key_versions_wrapping_key_ref",
            "wrapping_key_ref",
            postgresql_where=sa.text("wrapping_key_ref IS NOT NULL"),
            sqlite_where=sa.text("wrapping_key_ref IS NOT NULL"),
        ),
        sa.Index("idx_key_versions_lifecycle", "key_id", "version_number", "activated_at", "deactivated_at"),
        *(
            sa.Index(
                f"idx_key_versions_{limit}_partial",
                "key_type",
                column,
                postgresql_where=sa.text(LIVE),
                sqlite_where=sa.text(LIVE),
            )
            for limit, column in (("age", "activated_at"), ("usage", "usage_ceiling"), ("volume", "volume_ceiling"))
        ),
        # Free space in each page: updates of counters stay in the page, except when a counter passes its ceiling.
        {"sqlite_with_rowid": False, "info": {"postgresql_with": "fillfactor = 90"}},
    )

    id: Mapped[Id]
    key_id: Mapped[uuid.UUID] = mapped_column(sa.ForeignKey("key_masters.id", ondelete="CASCADE", onupdate="RESTRICT"))
    version_number: Mapped[int] = mapped_column(sa.Integer)
    encrypted_key_data: Mapped[bytes | None] = mapped_column(EnvelopeBytes(*EnvelopeFormat))
    key_checksum: Mapped[str | None] = mapped_column(sa.String(64))
    encryption_metadata: Mapped[Document | None]
    wrapped_by_version_id: Mapped[uuid.UUID | None] = mapped_column(
        sa.ForeignKey("key_versions.id", ondelete="RESTRICT", onupdate="RESTRICT")
    )
    wrapping_key_ref: Mapped[str | None] = mapped_column(sa.String(255))
    created_at: Mapped[CreatedAt]
    activated_at: Mapped[Timestamp | None]
    deactivated_at: Mapped[Timestamp | None]
    destroyed_at: Mapped[Timestamp | None]
    usage_count: Mapped[Counter]
    data_volume_bytes: Mapped[Counter]
    generation_time_ms: Mapped[int | None] = mapped_column(sa.Integer)
    entropy_score: Mapped[float | None] = mapped_column(sa.Double)
    key_type: Mapped[CopiedKeyType | None]
    usage_ceiling: Mapped[Ceiling | None]
    volume_ceiling: Mapped[Ceiling | None]
    ciphertext_tag: Mapped[int] = mapped_column(sa.BigInteger, server_default=sa.text("0"))

    key: Mapped[KeyMaster] = relationship(back_populates="versions")
    wrapped_by: Mapped["KeyVersion | None"] = relationship(remote_side="KeyVersion.id", back_populates="wraps")
    wraps: Mapped[list["KeyVersion"]] = relationship(back_populates="wrapped_by", passive_deletes="all")

    # SQLite's RETURNING shows the row before the AFTER trigger draws its tag.
    __mapper_args__: Any = {"eager_defaults": False}  # noqa: RUF012  (SQLAlchemy types it as Any)

    @property
    def is_live(self) -> bool:
        """True for the version with which the key encrypts."""
        return self.activated_at is not None and self.deactivated_at is None
