CASE WHEN name = first_name THEN last_name ELSE first_name END
    || CASE WHEN alike > 2 THEN ' and ' || CAST(alike - 2 AS text) || ' more' ELSE '' END
