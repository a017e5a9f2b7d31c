-- Another limit of a key: the index bounds of its versions are computed again, also of those that are not live: they may
-- become live, and that computes none. SECURITY DEFINER: a role that may change the limit needs no privileges on versions,
-- and row-level security must not hide one.
CREATE FUNCTION {schema}.record_key_version_index_bounds_limit() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
    UPDATE {schema}.key_versions
    SET usage_index_bound = NULL
    WHERE key_id = NEW.id AND destroyed_at IS NULL;
    RETURN NULL; -- the result of an AFTER trigger is ignored
END
$$
