SELECT master.algorithm, master.key_size_bits,
    CASE WHEN version.hsm_key_id IS NOT NULL THEN 'HSM' WHEN version.wrapping_key_ref IS NOT NULL THEN 'root key'
        WHEN version.wrapped_by_version_id IS NOT NULL THEN 'key' ELSE 'nothing' END AS wrapped_by,
    wrapping.algorithm AS wrapper_algorithm, wrapping.key_size_bits AS wrapper_size_bits, count(*) AS versions
FROM {schema}.key_versions AS version
JOIN {schema}.key_masters AS master ON master.id = version.key_id
LEFT JOIN {schema}.key_versions AS wrapper ON wrapper.id = version.wrapped_by_version_id
LEFT JOIN {schema}.key_masters AS wrapping ON wrapping.id = wrapper.key_id
WHERE version.destroyed_at IS NULL
GROUP BY 1, 2, 3, 4, 5 ORDER BY 1, 2, 3, 4, 5
