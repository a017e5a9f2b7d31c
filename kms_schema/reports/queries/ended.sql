SELECT (SELECT count(*) FROM {schema}.key_masters WHERE revoked_at >= {start} AND revoked_at < {end})
    + (SELECT count(*) FROM {schema}.key_versions WHERE destroyed_at >= {start} AND destroyed_at < {end})
    AS revocations_and_destructions
