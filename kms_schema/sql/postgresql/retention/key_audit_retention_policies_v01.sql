-- Derived from the models by tools/derived_sql.py.
CREATE TABLE {schema}.key_audit_retention_policies (
    event_category VARCHAR(30) NOT NULL,
    retention_period_days INTEGER NOT NULL,
    CONSTRAINT pk_key_audit_retention_policies PRIMARY KEY (event_category),
    CONSTRAINT ck_key_audit_retention_policies_event_category_known CHECK (event_category IN ('LIFECYCLE', 'SECURITY', 'COMPLIANCE', 'POLICY')),
    CONSTRAINT ck_key_audit_retention_policies_retention_period_days_range CHECK (retention_period_days BETWEEN 1 AND 36500)
)
