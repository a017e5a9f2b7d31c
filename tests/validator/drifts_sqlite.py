"""Ways in which a SQLite database drifts from what the package made, each with the one finding it must give.

`REBUILD` stands for what SQLite's documentation tells people to do where ALTER TABLE will not: write the new text
into `sqlite_schema`. https://www.sqlite.org/lang_altertable.html, "Making Other Kinds Of Table Schema Changes"
"""

import sqlite3
from collections.abc import Callable

Drift = str | Callable[[sqlite3.Connection], None]


def rewritten(name: str, before: str, after: str) -> Callable[[sqlite3.Connection], None]:
    """Return what replaces `before` by `after` in the text of the object `name`."""

    def rewrite(connection: sqlite3.Connection) -> None:
        connection.execute("PRAGMA writable_schema = on")
        changed = connection.execute(
            "UPDATE sqlite_schema SET sql = replace(sql, ?, ?) WHERE name = ? AND instr(sql, ?)",
            (before, after, name, before),
        )
        assert changed.rowcount == 1, f"{name} has no {before!r}"
        version = connection.execute("PRAGMA schema_version").fetchone()[0]
        connection.execute(f"PRAGMA schema_version = {version + 1}")
        connection.execute("PRAGMA writable_schema = off")

    return rewrite


DRIFTS: tuple[tuple[Drift, str, str], ...] = (
    # tables and columns
    ("DROP TABLE hsm_configurations", "KMS101", "table hsm_configurations"),
    ("ALTER TABLE key_audit_logs ADD COLUMN note TEXT", "KMS112", "column key_audit_logs.note"),
    ("ALTER TABLE key_masters RENAME COLUMN derivation_path TO path", "KMS114", "column key_masters.derivation_path"),
    (rewritten("key_masters", "algorithm VARCHAR(50) NOT NULL", "algorithm TEXT NOT NULL"), "KMS113",
     "column key_masters.algorithm"),
    (rewritten("key_masters", "algorithm VARCHAR(50) NOT NULL", "algorithm VARCHAR(50)"), "KMS113",
     "column key_masters.algorithm"),
    (rewritten("key_masters", "'pending' NOT NULL", "'active' NOT NULL"), "KMS113", "column key_masters.status"),
    (rewritten("key_audit_logs", "user_id VARCHAR(100)", "user_id VARCHAR(100) COLLATE NOCASE"), "KMS113",
     "column key_audit_logs.user_id"),
    # constraints
    (rewritten("key_audit_logs", "risk_score BETWEEN 0 AND 100", "risk_score BETWEEN 0 AND 1000"), "KMS123",
     "constraint key_audit_logs.ck_key_audit_logs_risk_score_range"),
    (rewritten("key_audit_logs", "CONSTRAINT ck_key_audit_logs_duration_ms_not_negative CHECK (duration_ms >= 0),", ""),
     "KMS121", "constraint key_audit_logs.ck_key_audit_logs_duration_ms_not_negative"),
    (rewritten("key_audit_logs", "CONSTRAINT uq_key_audit", "CONSTRAINT z CHECK (1), CONSTRAINT uq_key_audit"),
     "KMS122",
     "constraint key_audit_logs.z"),
    (rewritten("key_audit_logs", "CONSTRAINT uq_key_audit_logs_sequence", "CONSTRAINT z"), "KMS124",
     "constraint key_audit_logs.uq_key_audit_logs_sequence"),
    (rewritten("key_audit_logs", "ON DELETE RESTRICT", "ON DELETE CASCADE"), "KMS123",
     "constraint key_audit_logs.fk_key_audit_logs_key_id_key_masters"),
    # indexes
    ("DROP INDEX uq_key_versions_live", "KMS131", "index uq_key_versions_live"),
    ("CREATE INDEX extra ON key_audit_logs (user_id)", "KMS132", "index extra"),
    (rewritten("idx_key_audit_high_risk_partial", "risk_score >= 70", "risk_score >= 90"), "KMS133",
     "index idx_key_audit_high_risk_partial"),
    # triggers
    ("DROP TRIGGER prevent_key_audit_log_update", "KMS141", "trigger key_audit_logs.prevent_key_audit_log_update"),
    ("CREATE TRIGGER aa BEFORE INSERT ON key_audit_logs BEGIN SELECT RAISE(IGNORE); END", "KMS142",
     "trigger key_audit_logs.aa"),
    ("CREATE TRIGGER aa BEFORE INSERT ON KEY_AUDIT_LOGS BEGIN SELECT RAISE(IGNORE); END", "KMS142",
     "trigger key_audit_logs.aa"),
    (rewritten("prevent_key_audit_log_delete", "BEFORE DELETE", "AFTER DELETE"), "KMS143",
     "trigger key_audit_logs.prevent_key_audit_log_delete"),
    # views
    ("DROP VIEW key_management_dashboard", "KMS161", "view key_management_dashboard"),
    ("DROP VIEW rotations_due; CREATE VIEW rotations_due AS SELECT * FROM key_masters", "KMS163", "view rotations_due"),
    # the version table
    ("DROP TABLE alembic_version", "KMS001", "revision of the database"),
    ("DELETE FROM alembic_version", "KMS001", "revision of the database"),
    ("UPDATE alembic_version SET version_num = '999'", "KMS003", "revision of the database"),
)  # fmt: skip
