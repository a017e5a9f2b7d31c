-- As in rotations_due: from 90 % of its own limit on, the index bound of a live version is the greatest number.
SELECT master.id, master.key_id, master.key_type, 'near' AS about,
    1.0 * version.usage_count / master.most_uses AS measure, 1 = 1 AS shown
FROM {schema}.key_versions AS version
INNER JOIN (
    SELECT id, key_id, key_type, status, CASE
        WHEN algorithm = 'AES-256-GCM' AND coalesce(max_usage_count, 2147483648) >= 2147483648 THEN 2147483648
        ELSE coalesce(max_usage_count, 1000000000000000)
    END AS most_uses
    FROM {schema}.key_masters
) AS master ON version.key_id = master.id
WHERE
    version.key_type IN ('kek', 'dek', 'tls', 'hsm', 'backup')
    AND version.usage_index_bound = 9223372036854775807
    AND version.activated_at IS NOT NULL
    AND version.deactivated_at IS NULL
    AND master.status || '' = 'active'
    AND version.usage_count * 10 >= master.most_uses * 9
