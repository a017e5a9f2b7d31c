    SELECT RAISE(ABORT, '{rule}: another row has this {columns} (REPLACE and upserts are refused)')
    WHERE EXISTS (SELECT 1 FROM {table} WHERE {same});
