-- Reserves uses and bytes of a version that may encrypt now. The parameter "room" is what must be left below each limit:
-- one for one use, sixteen times as many for more. No row is changed where the state or a limit does not allow it.
UPDATE {schema}.key_versions
SET
    usage_count = usage_count + CAST(:uses AS bigint),
    data_volume_bytes = CASE
        WHEN data_volume_bytes > 9007199254740992 - CAST(:bytes AS bigint) THEN 9007199254740992
        ELSE data_volume_bytes + CAST(:bytes AS bigint)
    END
WHERE id = :version AND activated_at IS NOT NULL AND deactivated_at IS NULL AND destroyed_at IS NULL
    AND usage_count + CAST(:room AS bigint) <= 1000000000000000
    AND EXISTS (
        SELECT 1 FROM {schema}.key_masters AS master
        WHERE master.id = key_versions.key_id AND master.status = 'active' AND master.key_type IN ('dek', 'hsm')
            AND (master.expires_at IS NULL OR {seconds_until(master.expires_at)} > 0)
            AND (master.max_usage_count IS NULL OR key_versions.usage_count + CAST(:room AS bigint) <= master.max_usage_count)
            AND (master.algorithm <> 'AES-256-GCM' OR key_versions.usage_count + CAST(:room AS bigint) <= 2147483648)
    )
