-- A rotation of the key has succeeded since the failure. OFFSET 0 prevents the planner of PostgreSQL from scanning all
-- rotations. An expression of a status has no index, which SQLite would take even if it reads more rows.
EXISTS (
        SELECT 1 FROM {schema}.key_rotations AS success
        WHERE success.key_id = {0}.key_id AND {unindexed(success.status)} = 'COMPLETED'
            AND success.completed_at >= {0}.failed_at
        LIMIT 1 OFFSET 0
    )
