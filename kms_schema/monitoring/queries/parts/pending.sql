-- As in rotations_due: a pending retry, until another rotation of the key has succeeded.
pending.status = 'FAILED' AND pending.next_retry_at IS NOT NULL
            AND pending.retry_count < pending.max_retries
            AND NOT {part(later_success, pending)}
