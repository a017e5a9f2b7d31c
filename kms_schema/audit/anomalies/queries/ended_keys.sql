-- Uses of keys, and of versions, that had ended. KEY_USED counts the uses since the entry before it of the same process,
-- so the first entry after the end may be about uses before the end: only the entries after that one are. The first
-- entry of a process is written before its first use, and says nothing of encryptions unless it has counted one.
WITH used AS (
    SELECT
        entry.id, entry.sequence, entry.timestamp, entry.event_type, entry.key_id, entry.recorded_by, entry.user_id,
        coalesce({json_text(entry.additional_metadata, process)}, '') AS process,
        {json_count(entry.additional_metadata, version)} AS version,
        {json_count(entry.additional_metadata, encryptions)} AS encryptions,
        master.key_id AS name,
        CASE WHEN master.status IN ('revoked', 'archived') THEN coalesce(master.revoked_at, master.archived_at) END
            AS use_ended,
        CASE master.status
            WHEN 'active' THEN master.expires_at
            WHEN 'rotated' THEN master.rotated_at
            WHEN 'expired' THEN master.expired_at
            WHEN 'revoked' THEN master.revoked_at
            WHEN 'archived' THEN coalesce(master.revoked_at, master.archived_at)
        END AS key_ended,
        version.deactivated_at AS version_ended
    FROM {schema}.key_audit_logs AS entry
    JOIN {schema}.key_masters AS master ON master.id = entry.key_id
    LEFT JOIN {schema}.key_versions AS version
        ON version.key_id = entry.key_id AND version.version_number = {json_count(entry.additional_metadata, version)}
    WHERE
        entry.timestamp >= %(since)s AND entry.timestamp < %(until)s AND entry.event_type = 'KEY_USED'
        AND (
            master.status IN ('rotated', 'expired', 'revoked', 'archived')
            OR (
                (version.deactivated_at IS NOT NULL OR master.expires_at < entry.timestamp)
                AND {json_count(entry.additional_metadata, encryptions)} > 0
            )
        )
),
late AS (
    SELECT
        used.id, used.sequence, used.timestamp, used.event_type, used.key_id, used.recorded_by, used.user_id,
        used.process, used.version, used.encryptions, used.name, used.use_ended,
        CASE
            WHEN used.use_ended IS NOT NULL THEN used.use_ended
            WHEN used.key_ended IS NULL OR used.version_ended < used.key_ended THEN used.version_ended
            ELSE used.key_ended
        END AS ended
    FROM used
),
found AS (
    SELECT
        late.sequence, late.timestamp, late.ended, late.use_ended, late.encryptions, late.id, late.event_type,
        late.key_id, late.recorded_by, late.user_id, late.name,
        (
            SELECT max(earlier.timestamp) FROM {schema}.key_audit_logs AS earlier
            WHERE
                earlier.key_id = late.key_id AND earlier.timestamp < late.timestamp
                AND earlier.event_type = 'KEY_USED' AND earlier.recorded_by = late.recorded_by
                AND coalesce({json_text(earlier.additional_metadata, process)}, '') = late.process
                AND {json_count(earlier.additional_metadata, version)} = late.version
        ) AS previous
    FROM late
    WHERE late.timestamp >= {hours_after(late.ended, {late_entry_hours})}
        AND (late.use_ended IS NOT NULL OR late.encryptions > 0)
)
SELECT
    {day(found.timestamp)} AS day, found.recorded_by, found.user_id, found.name AS about, 1 AS total, NULL AS figure,
    NULL AS usual, found.id, found.sequence, found.timestamp, found.event_type, found.name AS key_id,
    found.timestamp AS last_at
FROM found
WHERE found.previous IS NULL OR found.previous >= {hours_after(found.ended, {late_entry_hours})}
UNION ALL
SELECT
    {day(entry.timestamp)} AS day, entry.recorded_by, entry.user_id, master.key_id AS about, 1 AS total,
    NULL AS figure, NULL AS usual, entry.id, entry.sequence, entry.timestamp, entry.event_type, master.key_id,
    entry.timestamp AS last_at
FROM {schema}.key_audit_logs AS entry
JOIN {schema}.key_masters AS master ON master.id = entry.key_id
WHERE entry.timestamp >= %(since)s AND entry.timestamp < %(until)s AND entry.event_type = 'REVOKED_KEY_OPENED'
ORDER BY 9
