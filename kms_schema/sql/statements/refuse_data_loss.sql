DO $$
DECLARE
    {unit} bigint := ({count});
BEGIN
    IF {unit} > 0 THEN
        RAISE EXCEPTION '{would_destroy}: % {unit}; {advice}', {unit};
    END IF;
END
$$
