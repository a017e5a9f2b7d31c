-- Derived from the models by tools/derived_sql.py.
CREATE TABLE {schema}.key_audit_subtrees (
    level INTEGER NOT NULL,
    position BIGINT NOT NULL,
    hash BYTEA NOT NULL,
    CONSTRAINT pk_key_audit_subtrees PRIMARY KEY (level, position),
    CONSTRAINT ck_key_audit_subtrees_level_is_of_bytes CHECK (level BETWEEN 8 AND 56 AND level % 8 = 0),
    CONSTRAINT ck_key_audit_subtrees_position_not_negative CHECK (position >= 0),
    CONSTRAINT ck_key_audit_subtrees_hash_is_sha256 CHECK (length(hash) = 32)
)
