-- The newest record of each subject: two look-ups in the primary key for each, whatever the number of records. A record
-- from the future, of a clock that was wrong, would be the newest until then.
WITH RECURSIVE subjects (subject) AS (
    SELECT min(subject) FROM {schema}.key_operation_records WHERE operation = %(operation)s
    UNION ALL
    SELECT (
        SELECT min(later.subject) FROM {schema}.key_operation_records AS later
        WHERE later.operation = %(operation)s AND later.subject > subjects.subject
    ) FROM subjects WHERE subjects.subject IS NOT NULL
)
SELECT record.subject, record.recorded_at, record.seal_number, record.errors, record.warnings, record.infos,
    record.unchecked
FROM subjects
INNER JOIN {schema}.key_operation_records AS record ON record.subject = subjects.subject
WHERE record.operation = %(operation)s AND record.recorded_at = (
    SELECT max(newest.recorded_at) FROM {schema}.key_operation_records AS newest
    WHERE newest.operation = %(operation)s AND newest.subject = subjects.subject AND newest.recorded_at <= %(latest)s
)
LIMIT 100
