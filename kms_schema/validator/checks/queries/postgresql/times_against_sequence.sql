-- A clock is corrected by less, and two sessions are less apart between the sequence and the time of an entry.
SELECT 'entry ' || id || ' (sequence ' || sequence || ')' AS name, problem, sequence AS place
FROM (SELECT id, sequence, CASE WHEN before > "timestamp" + interval '{seconds} seconds'
        THEN 'is dated ' || "timestamp" || ', and the entry before ' || before
        ELSE 'is dated ' || "timestamp" || ', and its id is of another time' END AS problem
    FROM (SELECT id, sequence, "timestamp", lag("timestamp") OVER (ORDER BY sequence) AS before,
            to_timestamp(('x' || left(replace(id::text, '-', ''), 12))::bit(48)::bigint / 1000.0) AS of_id
        FROM {only()} {schema}.key_audit_logs AS entries) AS entries
    WHERE before > "timestamp" + interval '{seconds} seconds'
        OR of_id NOT BETWEEN "timestamp" - interval '{seconds} seconds' AND "timestamp" + interval '{seconds} seconds'
        OR substr(id::text, 15, 1) <> '7') AS entries
