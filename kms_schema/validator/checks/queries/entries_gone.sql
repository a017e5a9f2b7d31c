SELECT 'sequences ' || first_sequence || ' to ' || last_sequence AS name,
    'were sealed with ' || size || ' entries, and have ' || present AS problem,
    first_sequence AS place
FROM (SELECT first_leaf, first_sequence, last_sequence, size,
        (SELECT count(*) FROM {only()} {schema}.key_audit_logs AS entries
            WHERE entries.sequence BETWEEN first_sequence AND last_sequence) AS present
    FROM ({part(pages)}) AS pages) AS counted
WHERE present <> size {not_removed}
