-- How many versions have a label, and how often they were used.
CREATE MATERIALIZED VIEW {schema}.key_label_counts AS
SELECT
    version.label,
    count(*) AS version_count,
    sum(version.usage_count) AS usage_count
FROM {schema}.key_versions AS version
WHERE version.label IS NOT NULL
GROUP BY version.label;
