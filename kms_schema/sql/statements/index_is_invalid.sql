SELECT NOT indisvalid FROM pg_catalog.pg_index WHERE indexrelid = to_regclass(:index)
