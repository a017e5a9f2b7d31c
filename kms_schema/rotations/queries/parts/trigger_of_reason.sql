-- Time, age and expiry are scheduled.
CASE due.reason
        WHEN 'usage' THEN 'usage_count'
        WHEN 'volume' THEN 'data_volume'
        WHEN 'incident' THEN 'security_incident'
        WHEN 'compliance' THEN 'compliance'
        ELSE 'scheduled'
    END
