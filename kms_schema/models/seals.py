"""The evidence of the audit trail: signed seals, and the Merkle tree (RFC 6962) that they cover."""

import datetime as dt
from typing import Any

import sqlalchemy as sa
from sqlalchemy.orm import Mapped, mapped_column

from kms_schema.models.base import (
    Base,
    JsonDocument,
    UtcTimestamp,
    check,
    json_shape,
    not_blank,
    one_of,
    vocabulary_column,
)
from kms_schema.vocabulary import AuditCategory

HASH_BYTES = 32
"""The length of a SHA-256 hash."""
PAGE_LEAVES = 256
"""The maximum number of leaves in a row of `key_audit_leaves`."""


class KeyAuditSeal(Base):
    """The tree over all entries up to a sequence, with its signature.

    The signed text (a C2SP checkpoint) is computed from these columns, and the signature covers each of them.
    """

    __tablename__ = "key_audit_seals"
    __table_args__: Any = (
        check("seal_number_positive", "seal_number >= 1"),
        *not_blank("origin"),
        check("tree_size_positive", "tree_size >= 1"),
        check("root_hash_is_sha256", f"length(root_hash) = {HASH_BYTES}"),
        check("previous_seal_hash_is_sha256", f"length(previous_seal_hash) = {HASH_BYTES}"),
        check("signed_by_a_key", "(verifier_key IS NULL) = (signature IS NULL)"),
        check("signature_is_ed25519", "length(signature) = 68"),
        check("compact_range_is_sha256", f"length(compact_range) > 0 AND length(compact_range) % {HASH_BYTES} = 0"),
        check("last_sequence_positive", "last_sequence >= 1"),
        *json_shape("open_gaps", "array"),
        sa.UniqueConstraint("tree_size"),
        {"sqlite_with_rowid": False},
    )

    seal_number: Mapped[int] = mapped_column(sa.BigInteger, primary_key=True, autoincrement=False)
    """From 1 on, without gaps."""
    origin: Mapped[str] = mapped_column(sa.String(255))
    """The name of the audit trail, the same in every seal."""
    sealed_at: Mapped[dt.datetime] = mapped_column(UtcTimestamp)
    tree_size: Mapped[int] = mapped_column(sa.BigInteger)
    """The number of leaves in the tree, including those of earlier seals."""
    root_hash: Mapped[bytes]
    previous_seal_hash: Mapped[bytes]
    """SHA-256 of the text of the previous seal, without signatures; zeros in the first."""
    verifier_key: Mapped[str | None] = mapped_column(sa.String(500))
    """The public key of the signature; the verifier decides if it is trusted."""
    signature: Mapped[bytes | None]
    """Key id (4 bytes) and Ed25519 signature (64 bytes) of the text; NULL if the seal is not signed."""
    next_key: Mapped[str | None] = mapped_column(sa.String(500))
    """The public key of the successor, if this seal announces one."""
    compact_range: Mapped[bytes]
    """The roots of the tree's maximal full subtrees, the largest first; the next seal continues from these."""
    last_sequence: Mapped[int] = mapped_column(sa.BigInteger)
    """The highest sequence that a seal covers or records as a gap."""
    open_gaps: Mapped[list[list[int]]] = mapped_column(JsonDocument)
    """Sequences up to `last_sequence` that a transaction may still commit: [first, last, xmax] of each range."""
    snapshot_xmax: Mapped[int | None] = mapped_column(sa.BigInteger)
    """Transactions that can fill a gap have a lower id (PostgreSQL)."""
    system_identifier: Mapped[str | None] = mapped_column(sa.String(20))
    """The cluster of the transaction ids (PostgreSQL)."""


class KeyAuditLeafPage(Base):
    """Leaf hashes of a range of consecutive sequences within one seal, in the order of the tree."""

    __tablename__ = "key_audit_leaves"
    __table_args__: Any = (
        check("first_leaf_not_negative", "first_leaf >= 0"),
        check("first_sequence_positive", "first_sequence >= 1"),
        check(
            "hashes_are_sha256",
            f"length(hashes) BETWEEN {HASH_BYTES} AND {HASH_BYTES * PAGE_LEAVES} AND length(hashes) % {HASH_BYTES} = 0",
        ),
        sa.UniqueConstraint("first_sequence"),
        {"sqlite_with_rowid": False},
    )

    first_leaf: Mapped[int] = mapped_column(sa.BigInteger, primary_key=True, autoincrement=False)
    """The index of its first hash among all leaves, from 0."""
    first_sequence: Mapped[int] = mapped_column(sa.BigInteger)
    """The sequence of the entry of its first hash."""
    hashes: Mapped[bytes]
    """32 bytes for each leaf."""


class KeyAuditSubtree(Base):
    """The root of a full subtree of 256, 65 536, … leaves; proofs read it instead of the leaves."""

    __tablename__ = "key_audit_subtrees"
    __table_args__: Any = (
        check("level_is_of_bytes", "level BETWEEN 8 AND 56 AND level % 8 = 0"),
        check("position_not_negative", "position >= 0"),
        check("hash_is_sha256", f"length(hash) = {HASH_BYTES}"),
        {"sqlite_with_rowid": False},
    )

    level: Mapped[int] = mapped_column(sa.Integer, primary_key=True, autoincrement=False)
    """The subtree has 2**level leaves."""
    position: Mapped[int] = mapped_column(sa.BigInteger, primary_key=True, autoincrement=False)
    """The node begins at leaf position * 2**level."""
    hash: Mapped[bytes]


class KeyAuditTombstone(Base):
    """The statement that the oldest entries are archived and may be removed; the signature of its seal covers it."""

    __tablename__ = "key_audit_tombstones"
    __table_args__: Any = (
        check("leaf_count_positive", "leaf_count >= 1"),
        check("last_sequence_positive", "last_sequence >= 1"),
        check("archive_sha256_is_sha256", f"length(archive_sha256) = {HASH_BYTES}"),
        sa.UniqueConstraint("last_sequence"),
        {"sqlite_with_rowid": False},
    )

    seal_number: Mapped[int] = mapped_column(
        sa.ForeignKey("key_audit_seals.seal_number", ondelete="RESTRICT", onupdate="RESTRICT"),
        primary_key=True,
        autoincrement=False,
    )
    leaf_count: Mapped[int] = mapped_column(sa.BigInteger)
    """The number of leaves, from the first on, whose entries may be removed. The leaves remain."""
    last_sequence: Mapped[int] = mapped_column(sa.BigInteger)
    """The highest sequence of these entries, which the last entry has. Entries sealed later may have lower ones."""
    archive_sha256: Mapped[bytes]
    """The hash of the archive of the entries that no earlier tombstone covers."""


class KeyAuditRetentionPolicy(Base):
    """The retention period of new entries of a category; without a policy it is 2555 days."""

    __tablename__ = "key_audit_retention_policies"
    __table_args__: Any = (
        check("event_category_known", one_of("event_category", AuditCategory)),
        check("retention_period_days_range", "retention_period_days BETWEEN 1 AND 36500"),
        {"sqlite_with_rowid": False},
    )

    event_category: Mapped[AuditCategory] = mapped_column(vocabulary_column(AuditCategory), primary_key=True)
    retention_period_days: Mapped[int] = mapped_column(sa.Integer)
