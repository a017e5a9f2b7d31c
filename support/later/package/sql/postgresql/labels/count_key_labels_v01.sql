-- How many labels there are.
CREATE FUNCTION {schema}.count_key_labels() RETURNS integer
LANGUAGE plpgsql STABLE
SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
    RETURN (SELECT count(*) FROM {schema}.key_label_counts);
END
$$
