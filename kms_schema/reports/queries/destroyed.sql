SELECT master.key_type, count(*) AS destroyed_versions
FROM {schema}.key_versions AS version JOIN {schema}.key_masters AS master ON master.id = version.key_id
WHERE version.destroyed_at >= {start} AND version.destroyed_at < {end}
GROUP BY master.key_type ORDER BY master.key_type
