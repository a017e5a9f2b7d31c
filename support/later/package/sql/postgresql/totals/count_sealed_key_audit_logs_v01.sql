-- Adds the entries under new leaves to the totals of their categories.
CREATE FUNCTION {schema}.count_sealed_key_audit_logs() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
    INSERT INTO {schema}.key_audit_category_totals AS known (event_category, event_count)
    SELECT entry.event_category, count(*)
    FROM pages
    JOIN {schema}.key_audit_logs AS entry
        ON entry.sequence BETWEEN pages.first_sequence AND pages.first_sequence + length(pages.hashes) / 32 - 1
    GROUP BY entry.event_category
    ORDER BY entry.event_category
    ON CONFLICT (event_category) DO UPDATE SET event_count = known.event_count + excluded.event_count;
    RETURN NULL;
END
$$
