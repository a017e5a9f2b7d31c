SELECT 'the cause of rotation with sequence ' || sequence AS name, problem
FROM (SELECT sequence, 'has no sealed entry' AS problem
        FROM ({part(stored_causes)} EXCEPT SELECT * FROM ({part(sealed_causes)}) AS sealed) AS more
    UNION ALL SELECT sequence, 'is missing for a sealed entry'
        FROM (SELECT * FROM ({part(sealed_causes)}) AS sealed EXCEPT {part(stored_causes)}) AS less) AS wrong
