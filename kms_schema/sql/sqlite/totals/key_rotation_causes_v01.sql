-- Derived from the models by tools/derived_sql.py.
CREATE TABLE key_rotation_causes (
    key_id CHAR(32) NOT NULL,
    sequence BIGINT NOT NULL,
    reason VARCHAR(30) NOT NULL,
    occurred_at TEXT NOT NULL,
    CONSTRAINT pk_key_rotation_causes PRIMARY KEY (key_id, sequence),
    CONSTRAINT ck_key_rotation_causes_sequence_positive CHECK (sequence >= 1),
    CONSTRAINT ck_key_rotation_causes_reason_known CHECK (reason IN ('incident', 'compliance')),
    CONSTRAINT ck_key_rotation_causes_key_id_type CHECK (typeof(key_id) = 'text' AND instr(key_id, char(0)) = 0 AND length(key_id) = 32 AND key_id NOT GLOB '*[^0-9a-f]*'),
    CONSTRAINT ck_key_rotation_causes_sequence_type CHECK (typeof(sequence) = 'integer'),
    CONSTRAINT ck_key_rotation_causes_reason_type CHECK (typeof(reason) = 'text' AND instr(reason, char(0)) = 0 AND length(reason) <= 30),
    CONSTRAINT ck_key_rotation_causes_occurred_at_type CHECK (typeof(occurred_at) = 'text' AND instr(occurred_at, char(0)) = 0 AND occurred_at GLOB '[0-9][0-9][0-9][0-9]-[0-9][0-9]-[0-9][0-9]T[0-9][0-9]:[0-9][0-9]:[0-9][0-9].[0-9][0-9][0-9][0-9][0-9][0-9]Z' AND occurred_at > '0001' AND datetime(substr(occurred_at, 1, 19), '+0 days') IS replace(substr(occurred_at, 1, 19), 'T', ' '))
) WITHOUT ROWID
