SELECT count(*) AS versions_with_material FROM {schema}.key_versions WHERE destroyed_at IS NULL
