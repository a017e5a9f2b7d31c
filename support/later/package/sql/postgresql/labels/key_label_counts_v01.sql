-- How many versions have a label.
CREATE MATERIALIZED VIEW {schema}.key_label_counts AS
SELECT
    version.label,
    count(*) AS version_count
FROM {schema}.key_versions AS version
WHERE version.label IS NOT NULL
GROUP BY version.label;
