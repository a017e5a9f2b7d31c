UPDATE {schema}.key_masters
SET encrypted_columns = json_insert(coalesce(encrypted_columns, '[]'), '$[#]', json_extract(:added, '$[0]'))
WHERE
    key_id = :key
    AND NOT EXISTS (
        SELECT 1 FROM json_each(encrypted_columns) AS known
        WHERE json_extract(known.value, '$.table') = json_extract(:added, '$[0].table')
            AND json_extract(known.value, '$.column') = json_extract(:added, '$[0].column')
    )
