"""The evidence of the audit trail: signed seals, and the Merkle tree (RFC 6962) that they are over."""

import datetime as dt

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
"""Of SHA-256."""
PAGE_LEAVES = 256
"""The most leaves in a row of `key_audit_leaves`."""


class KeyAuditSeal(Base):
    """One batch of committed entries, closed: the tree over all entries so far, and who signed it.

    Its note text (a C2SP checkpoint) is made from these columns, and every one of them is under the signature.
    """

    __tablename__ = "key_audit_seals"
    __table_args__ = (
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
    """1 for the first, and no number is left out."""
    origin: Mapped[str] = mapped_column(sa.String(255))
    """The name of the trail, the same in every seal."""
    sealed_at: Mapped[dt.datetime] = mapped_column(UtcTimestamp)
    tree_size: Mapped[int] = mapped_column(sa.BigInteger)
    """Leaves in the tree, those of earlier seals included."""
    root_hash: Mapped[bytes]
    previous_seal_hash: Mapped[bytes]
    """SHA-256 over the note text of the seal before, without signatures; zeros in the first."""
    verifier_key: Mapped[str | None] = mapped_column(sa.String(500))
    """What the signature is checked with; whether it can be trusted is for who verifies to know."""
    signature: Mapped[bytes | None]
    """Key id (4 bytes) and Ed25519 signature (64 bytes) over the note text; NULL where nobody signed."""
    next_key: Mapped[str | None] = mapped_column(sa.String(500))
    """The verifier key of the successor, where this seal announces one."""
    compact_range: Mapped[bytes]
    """The roots of the tree's maximal full subtrees, the largest first: what the next seal goes on from."""
    last_sequence: Mapped[int] = mapped_column(sa.BigInteger)
    """The highest sequence that any seal has taken or seen left out."""
    open_gaps: Mapped[list[list[int]]] = mapped_column(JsonDocument)
    """Sequences up to `last_sequence` that an unfinished transaction may hold: [first, last, xmax] of each run."""
    snapshot_xmax: Mapped[int | None] = mapped_column(sa.BigInteger)
    """Every transaction that can fill a gap has an id below it (PostgreSQL)."""
    system_identifier: Mapped[str | None] = mapped_column(sa.String(20))
    """The cluster whose transaction ids these are (PostgreSQL)."""


class KeyAuditLeafPage(Base):
    """Leaf hashes of a run of consecutive sequences within one seal, in the order of the tree."""

    __tablename__ = "key_audit_leaves"
    __table_args__ = (
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
    """The sequence of the entry that its first hash is of."""
    hashes: Mapped[bytes]
    """32 bytes for each leaf."""


class KeyAuditSubtree(Base):
    """The root of a full subtree of 256, 65 536, … leaves: what a proof reads instead of them."""

    __tablename__ = "key_audit_subtrees"
    __table_args__ = (
        check("level_is_of_bytes", "level BETWEEN 8 AND 56 AND level % 8 = 0"),
        check("position_not_negative", "position >= 0"),
        check("hash_is_sha256", f"length(hash) = {HASH_BYTES}"),
        {"sqlite_with_rowid": False},
    )

    level: Mapped[int] = mapped_column(sa.Integer, primary_key=True, autoincrement=False)
    """The subtree has 2**level leaves."""
    position: Mapped[int] = mapped_column(sa.BigInteger, primary_key=True, autoincrement=False)
    """It begins at leaf position * 2**level."""
    hash: Mapped[bytes]


class KeyAuditTombstone(Base):
    """What says that the oldest entries were exported, and may be removed: a line of the seal that it names."""

    __tablename__ = "key_audit_tombstones"
    __table_args__ = (
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
    """The entries of so many leaves, from the first on, are not kept any longer. Their leaves are."""
    last_sequence: Mapped[int] = mapped_column(sa.BigInteger)
    """The sequence of the last of them: no other entry has a lower one."""
    archive_sha256: Mapped[bytes]
    """The hash of the file that those went to which no earlier tombstone had."""


class KeyAuditRetentionPolicy(Base):
    """For how long entries of a category are kept that are written from now on; without one it is 2555 days."""

    __tablename__ = "key_audit_retention_policies"
    __table_args__ = (
        check("event_category_known", one_of("event_category", AuditCategory)),
        check("retention_period_days_range", "retention_period_days BETWEEN 1 AND 36500"),
        {"sqlite_with_rowid": False},
    )

    event_category: Mapped[AuditCategory] = mapped_column(vocabulary_column(AuditCategory), primary_key=True)
    retention_period_days: Mapped[int] = mapped_column(sa.Integer)
