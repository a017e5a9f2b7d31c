-- Derived from the models by tools/derived_sql.py.
CREATE TABLE key_audit_retention_policies (
    event_category VARCHAR(30) NOT NULL,
    retention_period_days INTEGER NOT NULL,
    CONSTRAINT pk_key_audit_retention_policies PRIMARY KEY (event_category),
    CONSTRAINT ck_key_audit_retention_policies_event_category_known CHECK (event_category IN ('LIFECYCLE', 'SECURITY', 'COMPLIANCE', 'POLICY')),
    CONSTRAINT ck_key_audit_retention_policies_retention_period_days_range CHECK (retention_period_days BETWEEN 1 AND 36500),
    CONSTRAINT ck_key_audit_retention_policies_event_category_type CHECK (typeof(event_category) = 'text' AND instr(event_category, char(0)) = 0 AND length(event_category) <= 30),
    CONSTRAINT ck_key_audit_retention_policies_retention_period_days_type CHECK (typeof(retention_period_days) = 'integer' AND retention_period_days BETWEEN -2147483648 AND 2147483647)
) WITHOUT ROWID
