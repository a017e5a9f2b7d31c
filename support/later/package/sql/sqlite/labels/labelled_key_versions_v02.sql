-- The versions that have a label, and material.
CREATE VIEW labelled_key_versions AS
SELECT
    version.id,
    version.label
FROM key_versions AS version
WHERE version.label IS NOT NULL AND version.destroyed_at IS NULL;
