-- As in rotations_due: a pending retry, until another rotation of the key has succeeded.
pending.status = 'FAILED' AND pending.next_retry_at IS NOT NULL
            AND pending.retry_count < pending.max_retries
            AND NOT EXISTS (
                SELECT 1 FROM {schema}.key_rotations AS success
                WHERE success.key_id = pending.key_id AND success.status || '' = 'COMPLETED'
                    AND success.completed_at >= pending.failed_at
            )
