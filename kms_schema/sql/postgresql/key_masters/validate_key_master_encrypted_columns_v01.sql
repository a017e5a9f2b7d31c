-- The columns of applications that hold ciphertexts of the key: before a version is destroyed, its ciphertexts are counted
-- there. An application may add one. Ciphertexts in a column that was taken away could be destroyed, so that requires the
-- privilege to register keys: kms_admin, under any prefix, and the owner. Not SECURITY DEFINER: current_user is the client.
-- A CHECK refuses what is no array.
CREATE FUNCTION {schema}.validate_key_master_encrypted_columns() RETURNS trigger
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
    IF jsonb_typeof(NEW.encrypted_columns) = 'array' AND jsonb_array_length(NEW.encrypted_columns) <> jsonb_array_length(
        jsonb_path_query_array(NEW.encrypted_columns, CAST(
            'strict $[*] ? (@.type() == "object"'
            ' && @.schema.type() == "string" && @.table.type() == "string" && @.column.type() == "string"'
            ' && @.schema != "" && @.table != "" && @.column != ""'
            ' && !exists(@.keyvalue() ? (@.key != "schema" && @.key != "table" && @.key != "column")))'
            AS jsonpath
        ))
    ) THEN
        RAISE EXCEPTION USING
            ERRCODE = 'check_violation',
            SCHEMA = TG_TABLE_SCHEMA, TABLE = TG_TABLE_NAME, COLUMN = 'encrypted_columns', CONSTRAINT = TG_NAME,
            MESSAGE = format('%s: key %L: each encrypted column is an object with the texts schema, table and column', TG_NAME, NEW.key_id);
    END IF;
    IF TG_OP = 'UPDATE'
        AND NOT coalesce(OLD.encrypted_columns, '[]') <@ coalesce(NEW.encrypted_columns, '[]')
        AND NOT has_table_privilege(current_user, TG_RELID, 'INSERT')
    THEN
        RAISE EXCEPTION USING
            ERRCODE = 'restrict_violation',
            SCHEMA = TG_TABLE_SCHEMA, TABLE = TG_TABLE_NAME, COLUMN = 'encrypted_columns', CONSTRAINT = TG_NAME,
            MESSAGE = format('%s: key %L: a declared column may not be taken away or changed', TG_NAME, NEW.key_id),
            HINT = 'A login in kms_admin can take it away.';
    END IF;
    RETURN NEW;
END
$$
