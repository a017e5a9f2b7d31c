-- The entries that no seal covers yet: those after the last sealed sequence, and late entries in gaps that seals left
-- open. A gap may span sealed entries: what is between their pages is read, and not these entries again. Together with
-- key_audit_daily_totals and key_rotation_causes, which cover the sealed entries, they are the whole audit log in every
-- snapshot, since all three change when a seal commits.
--
-- The planner cannot know how few these are. It would estimate half a percent of the log for each of a hundred gaps,
-- and choose a plan with just-in-time compilation. A range with two ends, an array and an unknown limit lower the
-- estimate; OFFSET 0 prevents a scan of the whole log.
CREATE VIEW {schema}.key_audit_unsealed AS
WITH newest AS MATERIALIZED (
    SELECT seal.last_sequence, seal.open_gaps
    FROM {schema}.key_audit_seals AS seal
    ORDER BY seal.seal_number DESC
    LIMIT 1
),
gaps AS (
    SELECT (gap.span ->> 0)::bigint AS first_sequence, (gap.span ->> 1)::bigint AS last_sequence
    FROM unnest(ARRAY(
        SELECT element.span
        FROM newest
        CROSS JOIN LATERAL jsonb_array_elements(newest.open_gaps) AS element (span)
    )) AS gap (span)
),
spans AS (
    SELECT
        COALESCE((SELECT newest.last_sequence FROM newest), 0) + 1 AS first_sequence,
        9223372036854775807 AS last_sequence

    UNION ALL

    SELECT hole.first_sequence, hole.last_sequence
    FROM gaps
    CROSS JOIN LATERAL (
        SELECT
            GREATEST(page.following, gaps.first_sequence) AS first_sequence,
            COALESCE(lead(page.first_sequence) OVER (ORDER BY page.first_sequence), gaps.last_sequence + 1) - 1
                AS last_sequence
        FROM (
            SELECT
                gaps.first_sequence - 1 AS first_sequence,
                COALESCE((
                    SELECT before.first_sequence + length(before.hashes) / 32
                    FROM {schema}.key_audit_leaves AS before
                    WHERE before.first_sequence < gaps.first_sequence
                    ORDER BY before.first_sequence DESC
                    LIMIT 1
                ), gaps.first_sequence) AS following

            UNION ALL

            SELECT within.first_sequence, within.first_sequence + length(within.hashes) / 32
            FROM {schema}.key_audit_leaves AS within
            WHERE within.first_sequence BETWEEN gaps.first_sequence AND gaps.last_sequence
        ) AS page
        LIMIT (SELECT 9223372036854775807 AS every_one)
        OFFSET 0
    ) AS hole
    WHERE hole.first_sequence <= hole.last_sequence
)
SELECT
    entry.sequence,
    entry.key_id,
    entry.event_type,
    entry.event_category,
    entry.timestamp,
    entry.security_level,
    entry.risk_score
FROM spans
CROSS JOIN LATERAL (
    SELECT
        late.sequence,
        late.key_id,
        late.event_type,
        late.event_category,
        late.timestamp,
        late.security_level,
        late.risk_score
    FROM {schema}.key_audit_logs AS late
    WHERE late.sequence BETWEEN spans.first_sequence AND spans.last_sequence
    LIMIT (SELECT 9223372036854775807 AS every_one)
    OFFSET 0
) AS entry;
