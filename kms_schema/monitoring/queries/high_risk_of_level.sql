-- Each level has a limit of its own: many entries of one level must not hide one of another.
SELECT * FROM (
    SELECT security_level, sequence, "timestamp" AS written_at FROM {schema}.key_audit_logs
    WHERE "timestamp" >= %(day)s AND (risk_score >= 70 OR security_level IN ('HIGH', 'CRITICAL'))
        AND security_level = '{level}'
    ORDER BY "timestamp" DESC LIMIT {most}
) AS {level}
