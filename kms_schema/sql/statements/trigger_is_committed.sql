SELECT EXISTS (
    SELECT FROM pg_catalog.pg_trigger WHERE tgname = :trigger AND tgrelid = pg_catalog.to_regclass(:table)
) AND pg_catalog.to_regclass(:later) IS NULL
