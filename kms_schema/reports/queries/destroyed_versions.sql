SELECT count(*) AS destroyed_versions
FROM {schema}.key_versions WHERE destroyed_at >= {start} AND destroyed_at < {end}
