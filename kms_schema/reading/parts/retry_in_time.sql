-- A failed rotation has a retry that counts, as in the view rotations_due: at most 8 days after the failure, a day more
-- than the longest backoff. No entry records the time of a retry, so one that is put off for longer hides no key.
{0}.retry_count < {0}.max_retries AND {0}.next_retry_at <= {hours_after({0}.failed_at, 192)}
