-- Takes entries that are removed out of the totals of their categories.
CREATE FUNCTION {schema}.count_removed_key_audit_logs() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
    UPDATE {schema}.key_audit_category_totals AS total
    SET event_count = total.event_count - gone.event_count
    FROM (
        SELECT removed.event_category, count(*) AS event_count
        FROM removed
        GROUP BY removed.event_category
    ) AS gone
    WHERE total.event_category = gone.event_category;
    RETURN NULL;
END
$$
