-- Derived from the models by tools/derived_sql.py.
CREATE TABLE key_audit_subtrees (
    level INTEGER NOT NULL,
    position BIGINT NOT NULL,
    hash BLOB NOT NULL,
    CONSTRAINT pk_key_audit_subtrees PRIMARY KEY (level, position),
    CONSTRAINT ck_key_audit_subtrees_level_is_of_bytes CHECK (level BETWEEN 8 AND 56 AND level % 8 = 0),
    CONSTRAINT ck_key_audit_subtrees_position_not_negative CHECK (position >= 0),
    CONSTRAINT ck_key_audit_subtrees_hash_is_sha256 CHECK (length(hash) = 32),
    CONSTRAINT ck_key_audit_subtrees_level_type CHECK (typeof(level) = 'integer' AND level BETWEEN -2147483648 AND 2147483647),
    CONSTRAINT ck_key_audit_subtrees_position_type CHECK (typeof(position) = 'integer'),
    CONSTRAINT ck_key_audit_subtrees_hash_type CHECK (typeof(hash) = 'blob')
) WITHOUT ROWID
