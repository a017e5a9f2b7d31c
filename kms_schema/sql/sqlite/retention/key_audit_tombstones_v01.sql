-- Derived from the models by tools/derived_sql.py.
CREATE TABLE key_audit_tombstones (
    seal_number BIGINT NOT NULL,
    leaf_count BIGINT NOT NULL,
    last_sequence BIGINT NOT NULL,
    archive_sha256 BLOB NOT NULL,
    CONSTRAINT pk_key_audit_tombstones PRIMARY KEY (seal_number),
    CONSTRAINT ck_key_audit_tombstones_leaf_count_positive CHECK (leaf_count >= 1),
    CONSTRAINT ck_key_audit_tombstones_last_sequence_positive CHECK (last_sequence >= 1),
    CONSTRAINT ck_key_audit_tombstones_archive_sha256_is_sha256 CHECK (length(archive_sha256) = 32),
    CONSTRAINT uq_key_audit_tombstones_last_sequence UNIQUE (last_sequence),
    CONSTRAINT fk_key_audit_tombstones_seal_number_key_audit_seals FOREIGN KEY(seal_number) REFERENCES key_audit_seals (seal_number) ON DELETE RESTRICT ON UPDATE RESTRICT,
    CONSTRAINT ck_key_audit_tombstones_seal_number_type CHECK (typeof(seal_number) = 'integer'),
    CONSTRAINT ck_key_audit_tombstones_leaf_count_type CHECK (typeof(leaf_count) = 'integer'),
    CONSTRAINT ck_key_audit_tombstones_last_sequence_type CHECK (typeof(last_sequence) = 'integer'),
    CONSTRAINT ck_key_audit_tombstones_archive_sha256_type CHECK (typeof(archive_sha256) = 'blob')
) WITHOUT ROWID
