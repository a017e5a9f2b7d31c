-- Derived from the models by tools/derived_sql.py.
CREATE TABLE {schema}.key_audit_daily_totals (
    day DATE NOT NULL,
    event_category VARCHAR(30) NOT NULL,
    security_level VARCHAR(30) NOT NULL,
    risk_score INTEGER NOT NULL,
    event_count BIGINT NOT NULL,
    CONSTRAINT pk_key_audit_daily_totals PRIMARY KEY (day, event_category, security_level, risk_score),
    CONSTRAINT ck_key_audit_daily_totals_event_category_known CHECK (event_category IN ('LIFECYCLE', 'SECURITY', 'COMPLIANCE', 'POLICY')),
    CONSTRAINT ck_key_audit_daily_totals_security_level_known CHECK (security_level IN ('LOW', 'MEDIUM', 'HIGH', 'CRITICAL')),
    CONSTRAINT ck_key_audit_daily_totals_risk_score_range CHECK (risk_score BETWEEN -1 AND 100),
    CONSTRAINT ck_key_audit_daily_totals_event_count_not_negative CHECK (event_count >= 0)
)
