-- Entries of the types of recorded changes, and of types that look like them, that no trigger of the schema writes so.
-- MATERIALIZED: for the order of the result, PostgreSQL would otherwise read the whole log by its sequence.
WITH entry AS MATERIALIZED (
    SELECT
        entry.id, entry.sequence, entry.timestamp, entry.event_type, entry.event_category, entry.event_description,
        entry.recorded_by, entry.user_id, entry.key_id, entry.session_id, entry.client_ip, entry.user_agent,
        entry.duration_ms, entry.security_level, entry.risk_score, entry.compliance_tags, entry.additional_metadata
    FROM {schema}.key_audit_logs AS entry
    WHERE
        entry.timestamp >= %(since)s AND entry.timestamp < %(until)s
        AND (entry.event_type = 'KEY_USED' OR {fold}{upper(entry.event_type)}{fold_end} IN ({folded_types}))
),
known (event_type, category, level, form, keyed) AS (
    VALUES {known_types}
),
possible (event_type, status) AS (
    VALUES {possible_statuses}
),
judged AS (
    SELECT
        entry.id, entry.sequence, entry.timestamp, entry.event_type, entry.recorded_by, entry.user_id, master.key_id,
        {day(entry.timestamp)} AS day,
        CASE
            WHEN known.event_type IS NULL THEN 'a type that looks like one of the database'
            WHEN entry.event_category <> known.category OR entry.security_level <> known.level
                THEN 'another category or level'
            WHEN known.form = 'use' THEN CASE
                WHEN entry.key_id IS NULL OR NOT {part(has_form_of_use)} THEN 'another form'
                WHEN NOT EXISTS (
                    SELECT 1 FROM {schema}.key_versions AS version_used
                    WHERE
                        version_used.key_id = entry.key_id
                        AND version_used.version_number = {json_count(entry.additional_metadata, version)}
                    LIMIT 1 OFFSET 0
                ) THEN 'a version that the key does not have'
            END
            WHEN entry.session_id IS NOT NULL OR entry.client_ip IS NOT NULL OR entry.user_agent IS NOT NULL
                OR entry.duration_ms IS NOT NULL OR entry.risk_score IS NOT NULL OR entry.compliance_tags IS NOT NULL
                THEN 'a value in a column that the database leaves empty'
            WHEN NOT {part(has_form)} THEN 'another form'
            WHEN known.form <> 'privileges'
                AND substr(entry.event_description, 1, length(entry.event_type) + 2)
                <> {lower(replace(entry.event_type, '_', ' '))} || ': '
                THEN 'another description'
            WHEN known.keyed = 'yes' AND (
                    entry.key_id IS NULL OR {part(key_of_entry)} IS NULL OR {part(key_of_entry)} <> entry.key_id
                )
                OR known.keyed = 'no' AND {part(has_key)}
                THEN 'another key than its document'
            WHEN known.form = 'key' AND known.keyed = 'yes'
                AND entry.event_type NOT IN ('KEY_CHANGED', 'KEY_PARENT_CHANGED')
                AND NOT EXISTS (
                    SELECT 1 FROM possible
                    WHERE possible.event_type = entry.event_type AND possible.status = master.status
                )
                THEN 'a status that the key cannot have had'
            WHEN known.form = 'version' AND known.keyed = 'yes'
                AND (version.id IS NULL OR version.key_id <> entry.key_id)
                THEN 'a version that the key does not have'
            WHEN entry.event_type = 'VERSION_DESTROYED' AND version.destroyed_at IS NULL
                THEN 'a version that is not destroyed'
            WHEN entry.event_type = 'ROTATION_COMPLETED' AND rotation.status <> 'COMPLETED'
                THEN 'a rotation that is not completed'
        END AS problem
    FROM entry
    LEFT JOIN known ON known.event_type = entry.event_type
    LEFT JOIN {schema}.key_masters AS master ON master.id = entry.key_id
    LEFT JOIN {schema}.key_versions AS version
        ON known.form = 'version' AND version.id = {json_id(entry.additional_metadata, id)}
    LEFT JOIN {schema}.key_rotations AS rotation
        ON known.form = 'rotation' AND rotation.id = {json_id(entry.additional_metadata, id)}
)
SELECT
    judged.day, judged.recorded_by, judged.user_id, judged.problem AS about, 1 AS total, NULL AS figure, NULL AS usual,
    judged.id, judged.sequence, judged.timestamp, judged.event_type, judged.key_id, judged.timestamp AS last_at
FROM judged
WHERE judged.problem IS NOT NULL
ORDER BY judged.sequence
