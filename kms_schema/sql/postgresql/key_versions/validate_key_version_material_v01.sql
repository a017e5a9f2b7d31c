-- Material is exactly one of: an envelope of the right length, an HSM handle of the version, or destroyed. Only a rewrap
-- changes it. CHECK constraints cover the rules within one row. Adding a version locks its key, so that custody cannot
-- change meanwhile. SECURITY DEFINER: row-level security must not hide the key from this check.
CREATE FUNCTION {schema}.validate_key_version_material() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    master record;
    material_bytes bigint;
    envelope_bytes bigint;
    fault text;
BEGIN
    IF TG_OP = 'INSERT' THEN
        SELECT key_id, key_size_bits, hsm_key_id INTO master
        FROM {schema}.key_masters WHERE id = NEW.key_id FOR NO KEY UPDATE;
    ELSE
        SELECT key_id, key_size_bits, hsm_key_id INTO master FROM {schema}.key_masters WHERE id = NEW.key_id;
    END IF;
    IF master.key_id IS NULL THEN
        -- With the foreign key alone, one statement could add a version before this check can see its key.
        RAISE EXCEPTION USING
            ERRCODE = 'foreign_key_violation',
            SCHEMA = TG_TABLE_SCHEMA, TABLE = TG_TABLE_NAME, COLUMN = 'key_id',
            CONSTRAINT = 'fk_key_versions_key_id_key_masters',
            MESSAGE = format('fk_key_versions_key_id_key_masters: there is no key %s', NEW.key_id),
            HINT = 'Insert the key first, in a separate statement.';
    END IF;
    IF TG_OP = 'UPDATE' THEN
        fault := CASE
            WHEN NEW.key_checksum IS DISTINCT FROM OLD.key_checksum AND OLD.key_checksum IS NOT NULL
                THEN 'key_checksum may not change: a rewrap keeps the key'
            WHEN NEW.encrypted_key_data IS NULL AND OLD.encrypted_key_data IS NOT NULL AND NEW.destroyed_at IS NULL
                THEN 'material may only be removed by destruction (set destroyed_at with it)'
            WHEN NEW.encrypted_key_data IS NOT NULL AND OLD.encrypted_key_data IS NULL
                THEN 'material may not be added to a version that has none'
            WHEN NEW.hsm_key_id IS DISTINCT FROM OLD.hsm_key_id
                AND (NEW.hsm_key_id IS NOT NULL OR NEW.destroyed_at IS NULL)
                THEN 'hsm_key_id may only be cleared by destruction (set destroyed_at with it)'
            WHEN NEW.encrypted_key_data <> OLD.encrypted_key_data
                AND (NEW.wrapped_by_version_id, NEW.wrapping_key_ref)
                    IS NOT DISTINCT FROM (OLD.wrapped_by_version_id, OLD.wrapping_key_ref)
                THEN 'material may only be rewrapped: its wrapper changes with it'
            WHEN (NEW.wrapped_by_version_id, NEW.wrapping_key_ref)
                    IS DISTINCT FROM (OLD.wrapped_by_version_id, OLD.wrapping_key_ref)
                AND (NEW.encrypted_key_data <> OLD.encrypted_key_data) IS NOT TRUE
                AND NOT (NEW.destroyed_at IS NOT NULL
                    AND NEW.wrapped_by_version_id IS NULL AND NEW.wrapping_key_ref IS NULL)
                THEN 'the wrapper changes only with the material, or is cleared at destruction'
        END;
    END IF;
    -- A CHECK that is violated prints the row, in the error and in the server's log. So those of columns that may hold a key
    -- in plaintext are checked here first, and the message repeats no value.
    fault := coalesce(fault, CASE
        WHEN substring(NEW.encrypted_key_data FROM 1 FOR 1) NOT IN ('\x01'::bytea, '\x02'::bytea)
            THEN 'possible plaintext: encrypted_key_data is no envelope (ck_key_versions_material_is_envelope)'
        WHEN NEW.key_checksum !~ '^[0-9a-f]{64}$'
            THEN 'key_checksum is not 64 hexadecimal digits (ck_key_versions_key_checksum_is_sha256)'
        WHEN jsonb_typeof(NEW.encryption_metadata) <> 'object'
            THEN 'encryption_metadata is no object (ck_key_versions_encryption_metadata_is_object)'
        WHEN NEW.encrypted_key_data IS NOT NULL AND jsonb_exists_all(
            NEW.encryption_metadata, ARRAY['format', 'algorithm', 'associated_data']
        ) IS NOT TRUE
            THEN 'encryption_metadata lacks format, algorithm or associated_data (ck_key_versions_material_names_its_envelope)'
    END);
    IF fault IS NULL AND NEW.encrypted_key_data IS NOT NULL THEN
        material_bytes := (master.key_size_bits::bigint + 7) / 8;
        envelope_bytes := CASE get_byte(NEW.encrypted_key_data, 0)
            WHEN 1 THEN 1 + 12 + material_bytes + 16 -- AES-256-GCM: nonce, ciphertext, tag
            WHEN 2 THEN 1 + 8 + (material_bytes + 7) / 8 * 8 -- RFC 5649: integrity check, padded key
        END;
        fault := CASE
            WHEN master.hsm_key_id IS NOT NULL THEN 'the key is in an HSM: its versions may have no material in the database'
            WHEN octet_length(NEW.encrypted_key_data) <> envelope_bytes THEN format(
                'possible plaintext: an envelope of a %s-bit key has %s bytes, this has %s',
                master.key_size_bits, envelope_bytes, octet_length(NEW.encrypted_key_data)
            )
        END;
    ELSIF fault IS NULL AND NEW.destroyed_at IS NULL THEN
        -- The lock on the key keeps another session from adding a version with the same handle.
        fault := CASE
            WHEN NEW.hsm_key_id IS NULL THEN 'no material: it needs an envelope, an HSM handle of its own, or destroyed_at'
            WHEN master.hsm_key_id IS NULL THEN 'the key is in no HSM: its versions have no handle'
            WHEN TG_OP = 'INSERT' AND EXISTS (
                SELECT FROM {schema}.key_versions AS other
                WHERE other.key_id = NEW.key_id AND other.hsm_key_id = NEW.hsm_key_id
            ) THEN 'another version of the key has this HSM handle'
        END;
    END IF;
    IF fault IS NULL AND NEW.hsm_key_id IS NOT NULL AND NEW.encrypted_key_data IS NOT NULL THEN
        fault := 'the material is in the database: the version has no HSM handle';
    END IF;
    IF fault IS NOT NULL THEN
        RAISE EXCEPTION USING
            ERRCODE = 'check_violation',
            SCHEMA = TG_TABLE_SCHEMA, TABLE = TG_TABLE_NAME, CONSTRAINT = TG_NAME,
            MESSAGE = format('%s: version %s of key %L: %s', TG_NAME, NEW.version_number, master.key_id, fault);
    END IF;
    RETURN NEW;
END
$$
