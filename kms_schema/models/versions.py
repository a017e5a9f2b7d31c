"""Versions of keys, with the encrypted material."""

import uuid
from typing import Annotated, Any

import sqlalchemy as sa
from sqlalchemy.ext.hybrid import hybrid_property
from sqlalchemy.orm import Mapped, mapped_column, relationship

from kms_schema.envelope_format import EnvelopeFormat
from kms_schema.models.base import (
    MOST_BYTES,
    Base,
    Counter,
    CreatedAt,
    Document,
    Id,
    Timestamp,
    check,
    check_per_engine,
    counted,
    hexadecimal_digest,
    json_shape,
    not_blank,
    vocabulary_column,
)
from kms_schema.models.envelopes import EnvelopeBytes
from kms_schema.models.keys import KeyMaster
from kms_schema.vocabulary import KeyType

CopiedKeyType = Annotated[KeyType, mapped_column(vocabulary_column(KeyType), server_onupdate=sa.FetchedValue())]
"""The type of the key, which a trigger copies for an index; null in versions from before revision 005."""
IndexBound = Annotated[int, mapped_column(sa.BigInteger, server_onupdate=sa.FetchedValue())]
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
    __table_args__: Any = (
        check("version_number_positive", "version_number > 0"),
        counted("usage_count"),
        counted("data_volume_bytes", most=MOST_BYTES),
        check("generation_time_ms_not_negative", "generation_time_ms >= 0"),
        check("entropy_score_range", "entropy_score BETWEEN 0 AND 100"),
        *hexadecimal_digest("key_checksum"),
        *json_shape("encryption_metadata", "object"),
        *not_blank("wrapping_key_ref"),
        *not_blank("hsm_key_id"),
        check(
            "destroyed_has_no_material", "destroyed_at IS NULL OR (encrypted_key_data IS NULL AND hsm_key_id IS NULL)"
        ),
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
            "uq_key_versions_live", "key_id", unique=True, postgresql_where=sa.text(LIVE), sqlite_where=sa.text(LIVE)
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
            for limit, column in (
                ("age", "activated_at"),
                ("usage", "usage_index_bound"),
                ("volume", "volume_index_bound"),
            )
        ),
        # Free space in each page: updates of counters stay in the page, except when a counter passes its index bound.
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
    hsm_key_id: Mapped[str | None] = mapped_column(sa.String(255))
    created_at: Mapped[CreatedAt]
    activated_at: Mapped[Timestamp | None]
    deactivated_at: Mapped[Timestamp | None]
    destroyed_at: Mapped[Timestamp | None]
    usage_count: Mapped[Counter]
    data_volume_bytes: Mapped[Counter]
    generation_time_ms: Mapped[int | None] = mapped_column(sa.Integer)
    entropy_score: Mapped[float | None] = mapped_column(sa.Double)
    key_type: Mapped[CopiedKeyType | None]
    usage_index_bound: Mapped[IndexBound | None]
    volume_index_bound: Mapped[IndexBound | None]
    ciphertext_tag: Mapped[int] = mapped_column(sa.BigInteger, server_default=sa.text("0"))

    key: Mapped[KeyMaster] = relationship(back_populates="versions")
    wrapped_by: Mapped["KeyVersion | None"] = relationship(remote_side="KeyVersion.id", back_populates="wraps")
    wraps: Mapped[list["KeyVersion"]] = relationship(back_populates="wrapped_by", passive_deletes="all")

    # SQLite's RETURNING shows the row before the AFTER trigger draws its tag.
    __mapper_args__: Any = {"eager_defaults": False}  # noqa: RUF012  (SQLAlchemy types it as Any)

    # Each is usable in queries, too: `select(KeyVersion).where(KeyVersion.is_live)`, which is the condition `LIVE`.

    @hybrid_property
    def is_live(self) -> bool:
        """True for the version with which the key encrypts."""
        return self.activated_at is not None and self.deactivated_at is None

    @is_live.inplace.expression
    @classmethod
    def _is_live(cls) -> sa.ColumnElement[bool]:
        return sa.and_(cls.activated_at.is_not(None), cls.deactivated_at.is_(None))

    @hybrid_property
    def has_ended(self) -> bool:
        """True for a version that was live, and is not any more: it decrypts until it is destroyed."""
        return self.deactivated_at is not None

    @has_ended.inplace.expression
    @classmethod
    def _has_ended(cls) -> sa.ColumnElement[bool]:
        return cls.deactivated_at.is_not(None)

    @hybrid_property
    def is_destroyed(self) -> bool:
        """True for a version whose material was destroyed: it opens nothing any more."""
        return self.destroyed_at is not None

    @is_destroyed.inplace.expression
    @classmethod
    def _is_destroyed(cls) -> sa.ColumnElement[bool]:
        return cls.destroyed_at.is_not(None)

    @hybrid_property
    def state(self) -> str:
        """The state: `waiting` before it is activated, then `live`, `ended`, `destroyed`."""
        if self.is_destroyed:
            return "destroyed"
        return "live" if self.is_live else "ended" if self.has_ended else "waiting"

    @state.inplace.expression
    @classmethod
    def _state(cls) -> sa.ColumnElement[str]:
        # Literals, not parameters: with these, PostgreSQL does not know that GROUP BY has the same expression.
        waiting, live, ended, destroyed = (
            sa.literal_column(f"'{state}'", sa.String()) for state in ("waiting", "live", "ended", "destroyed")
        )
        return sa.case(
            (cls.destroyed_at.is_not(None), destroyed),
            (cls.deactivated_at.is_not(None), ended),
            (cls.activated_at.is_not(None), live),
            else_=waiting,
        )

    def __repr__(self) -> str:
        """Show number, key and state, as far as they are loaded; the key by its name where that is."""
        state = sa.inspect(self)
        loaded = state.dict
        parts = [type(self).__name__]
        if "version_number" in loaded:
            key = loaded.get("key")
            if key is None and state.session is not None:
                key = state.session.identity_map.get(
                    sa.inspect(KeyMaster).identity_key_from_primary_key((loaded.get("key_id"),))
                )
            named = None if key is None else sa.inspect(key).dict.get("key_id")
            parts.append(f"{loaded['version_number']} of {loaded.get('key_id') if named is None else repr(named)}")
        if loaded.keys() >= {"activated_at", "deactivated_at", "destroyed_at"}:
            parts.append(self.state)
        return f"<{' '.join(parts)}>"
