-- Derived from the models by tools/derived_sql.py.
CREATE TABLE {schema}.key_audit_leaves (
    first_leaf BIGINT NOT NULL,
    first_sequence BIGINT NOT NULL,
    hashes BYTEA NOT NULL,
    CONSTRAINT pk_key_audit_leaves PRIMARY KEY (first_leaf),
    CONSTRAINT ck_key_audit_leaves_first_leaf_not_negative CHECK (first_leaf >= 0),
    CONSTRAINT ck_key_audit_leaves_first_sequence_positive CHECK (first_sequence >= 1),
    CONSTRAINT ck_key_audit_leaves_hashes_are_sha256 CHECK (length(hashes) BETWEEN 32 AND 8192 AND length(hashes) % 32 = 0),
    CONSTRAINT uq_key_audit_leaves_first_sequence UNIQUE (first_sequence)
)
