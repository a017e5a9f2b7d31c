-- Adds uses and bytes that a rollback has taken, whatever the state: they have happened.
UPDATE {schema}.key_versions
SET
    usage_count = CASE
        WHEN usage_count > 1000000000000000 - CAST(:uses AS bigint) THEN 1000000000000000
        ELSE usage_count + CAST(:uses AS bigint)
    END,
    data_volume_bytes = CASE
        WHEN data_volume_bytes > 9007199254740992 - CAST(:bytes AS bigint) THEN 9007199254740992
        ELSE data_volume_bytes + CAST(:bytes AS bigint)
    END
WHERE id = :version
