(SELECT live.version_number FROM {schema}.key_versions AS live WHERE live.key_id = {0} AND {part(live)})
