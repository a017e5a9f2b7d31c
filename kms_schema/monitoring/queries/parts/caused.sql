EXISTS (
            SELECT 1 FROM {schema}.key_rotation_causes AS cause
            WHERE cause.key_id = master.id AND cause.reason = '{0}' AND cause.occurred_at <= %(passed)s
                AND (master.rotated_at IS NULL OR cause.occurred_at > master.rotated_at)
        )
