DO $$
BEGIN
    IF (SELECT NOT indisvalid FROM pg_catalog.pg_index WHERE indexrelid = pg_catalog.to_regclass('{index}')) THEN
        DROP INDEX {index};
    END IF;
END
$$
