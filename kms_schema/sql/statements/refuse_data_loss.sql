DO $$
DECLARE
    {unit} bigint := ({count});
BEGIN
    IF {unit} > 0 THEN
        RAISE EXCEPTION '{would_destroy}: % %; {advice}', {unit},
            CASE {unit} WHEN 1 THEN '{one}' ELSE '{unit}' END;
    END IF;
END
$$
