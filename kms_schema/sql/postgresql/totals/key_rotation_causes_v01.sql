-- Derived from the models by tools/derived_sql.py.
CREATE TABLE {schema}.key_rotation_causes (
    key_id UUID NOT NULL,
    sequence BIGINT NOT NULL,
    reason VARCHAR(30) NOT NULL,
    occurred_at TIMESTAMP WITH TIME ZONE NOT NULL,
    CONSTRAINT pk_key_rotation_causes PRIMARY KEY (key_id, sequence),
    CONSTRAINT ck_key_rotation_causes_sequence_positive CHECK (sequence >= 1),
    CONSTRAINT ck_key_rotation_causes_reason_known CHECK (reason IN ('incident', 'compliance')),
    CONSTRAINT ck_key_rotation_causes_occurred_at_type CHECK (occurred_at BETWEEN '0001-01-01 00:00:00+00' AND '9999-12-31 23:59:59.999999+00')
)
