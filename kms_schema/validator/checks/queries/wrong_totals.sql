SELECT 'the total of ' || CAST(day AS text) || ', ' || event_category || ', ' || security_level
    || CASE WHEN risk_score < 0 THEN ', without a score' ELSE ', score ' || risk_score END AS name,
    'is ' || kept || ', and there are ' || counted || ' sealed entries' AS problem
FROM ({part(counted_entries)}) AS sums WHERE kept <> counted
