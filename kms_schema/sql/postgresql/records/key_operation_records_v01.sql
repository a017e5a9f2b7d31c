-- Derived from the models by tools/derived_sql.py.
CREATE TABLE {schema}.key_operation_records (
    operation VARCHAR(30) NOT NULL,
    subject VARCHAR(255) NOT NULL,
    recorded_at TIMESTAMP WITH TIME ZONE DEFAULT now() NOT NULL,
    recorded_by VARCHAR(100) DEFAULT SESSION_USER NOT NULL,
    seal_number BIGINT,
    errors BIGINT,
    warnings BIGINT,
    infos BIGINT,
    unchecked BIGINT,
    CONSTRAINT pk_key_operation_records PRIMARY KEY (operation, subject, recorded_at),
    CONSTRAINT ck_key_operation_records_operation_known CHECK (operation IN ('PUBLICATION', 'COSIGNATURE', 'VALIDATION')),
    CONSTRAINT ck_key_operation_records_subject_not_blank CHECK (btrim(subject, E' \t\n\r') <> ''),
    CONSTRAINT ck_key_operation_records_values_of_operation CHECK (CASE operation WHEN 'VALIDATION' THEN seal_number IS NULL AND coalesce(errors, -1) >= 0 AND coalesce(warnings, -1) >= 0 AND coalesce(infos, -1) >= 0 AND coalesce(unchecked, -1) >= 0 ELSE coalesce(seal_number, 0) >= 1 AND errors IS NULL AND warnings IS NULL AND infos IS NULL AND unchecked IS NULL END),
    CONSTRAINT ck_key_operation_records_recorded_at_type CHECK (recorded_at BETWEEN '0001-01-01 00:00:00+00' AND '9999-12-31 23:59:59.999999+00')
)
