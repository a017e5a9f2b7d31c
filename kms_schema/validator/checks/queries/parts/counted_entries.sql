-- The rows of all three: the sums, the entries, and the entries without a seal.
SELECT day, event_category, security_level, risk_score, sum(kept) AS kept, sum(counted) AS counted
    FROM (SELECT day, event_category, security_level, risk_score, event_count AS kept, 0 AS counted
            FROM {schema}.key_audit_daily_totals
        UNION ALL SELECT {date("timestamp")}, event_category, security_level, coalesce(risk_score, -1), 0, count(*)
            FROM {only()} {schema}.key_audit_logs AS entries GROUP BY 1, 2, 3, 4
        UNION ALL SELECT {date("timestamp")}, event_category, security_level, coalesce(risk_score, -1), 0, -count(*)
            FROM {schema}.key_audit_unsealed AS entries GROUP BY 1, 2, 3, 4) AS counts
    GROUP BY day, event_category, security_level, risk_score
