SELECT coalesce(sum(completed_count), 0), coalesce(sum(failed_count), 0),
    sum(average_execution_ms * completed_count) / nullif(sum(CASE WHEN average_execution_ms IS NOT NULL
        THEN completed_count ELSE 0 END), 0), max(worst_execution_ms)
FROM {schema}.key_management_dashboard WHERE section = 'rotations'
