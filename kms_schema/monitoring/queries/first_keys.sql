
UNION ALL
SELECT * FROM (
    SELECT key_type, about, CAST(id AS text) AS id, key_id, 1, measure FROM found WHERE shown{of}
    ORDER BY measure {order}, key_id LIMIT {most}
) AS listed
