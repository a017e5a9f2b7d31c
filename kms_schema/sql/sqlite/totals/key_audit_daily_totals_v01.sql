-- Derived from the models by tools/derived_sql.py.
CREATE TABLE key_audit_daily_totals (
    day DATE NOT NULL,
    event_category VARCHAR(30) NOT NULL,
    security_level VARCHAR(30) NOT NULL,
    risk_score INTEGER NOT NULL,
    event_count BIGINT NOT NULL,
    CONSTRAINT pk_key_audit_daily_totals PRIMARY KEY (day, event_category, security_level, risk_score),
    CONSTRAINT ck_key_audit_daily_totals_event_category_known CHECK (event_category IN ('LIFECYCLE', 'SECURITY', 'COMPLIANCE', 'POLICY')),
    CONSTRAINT ck_key_audit_daily_totals_security_level_known CHECK (security_level IN ('LOW', 'MEDIUM', 'HIGH', 'CRITICAL')),
    CONSTRAINT ck_key_audit_daily_totals_risk_score_range CHECK (risk_score BETWEEN -1 AND 100),
    CONSTRAINT ck_key_audit_daily_totals_event_count_not_negative CHECK (event_count >= 0),
    CONSTRAINT ck_key_audit_daily_totals_day_type CHECK (typeof(day) = 'text' AND instr(day, char(0)) = 0 AND day > '0001' AND date(day, '+0 days') IS day),
    CONSTRAINT ck_key_audit_daily_totals_event_category_type CHECK (typeof(event_category) = 'text' AND instr(event_category, char(0)) = 0 AND length(event_category) <= 30),
    CONSTRAINT ck_key_audit_daily_totals_security_level_type CHECK (typeof(security_level) = 'text' AND instr(security_level, char(0)) = 0 AND length(security_level) <= 30),
    CONSTRAINT ck_key_audit_daily_totals_risk_score_type CHECK (typeof(risk_score) = 'integer' AND risk_score BETWEEN -2147483648 AND 2147483647),
    CONSTRAINT ck_key_audit_daily_totals_event_count_type CHECK (typeof(event_count) = 'integer')
) WITHOUT ROWID
