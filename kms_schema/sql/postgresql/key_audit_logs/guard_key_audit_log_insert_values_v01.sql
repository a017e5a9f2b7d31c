-- Bounds what an entry may say: no entry is so large, or prints so long, that it could not be sealed, archived, dumped
-- or read. A restore gives a time, which must be one that every reader can express.
--
-- A database of another encoding than UTF8 can store bytes that UTF-8 has no character for, and entries are sealed in UTF-8.
--
-- A trigger, not constraints: the error of a constraint prints the whole row into its DETAIL. SECURITY DEFINER: clients
-- need no privilege on kms_is_bounded, which is not called for most documents: it takes as long as the rest.
CREATE FUNCTION {schema}.guard_key_audit_log_insert_values() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    fault text;
BEGIN
    fault := CASE
        WHEN octet_length(NEW.event_description) > 32768 THEN 'event_description has more than 32768 bytes'
        WHEN CASE
            WHEN pg_column_size(NEW.compliance_tags) > 256 OR pg_column_size(NEW.compliance_tags || '[]') > 256 THEN true
            ELSE octet_length(NEW.compliance_tags::text) > 400
        END AND NOT {schema}.kms_is_bounded(NEW.compliance_tags, 32768, true)
            THEN 'compliance_tags has more than 32768 bytes, 32 levels, or 400 digits in a number'
        WHEN CASE
            WHEN pg_column_size(NEW.additional_metadata) > 256 OR pg_column_size(NEW.additional_metadata || '{}') > 256 THEN true
            ELSE octet_length(NEW.additional_metadata::text) > 400
        END AND NOT {schema}.kms_is_bounded(NEW.additional_metadata, 65536, true)
            THEN 'additional_metadata has more than 65536 bytes, 32 levels, or 400 digits in a number'
        WHEN NEW."timestamp" NOT BETWEEN '0001-01-01 00:00:00+00' AND '9999-12-31 23:59:59.999999+00'
            THEN 'timestamp is not in the years 1 to 9999'
    END;
    IF current_setting('server_encoding') <> 'UTF8' THEN
        BEGIN
            PERFORM convert_to(concat_ws(
                ' ', NEW.event_description, NEW.user_id, NEW.session_id, NEW.client_ip, NEW.user_agent, NEW.recorded_by,
                NEW.compliance_tags, NEW.additional_metadata
            ), 'UTF8') WHERE fault IS NULL;
        EXCEPTION WHEN character_not_in_repertoire OR untranslatable_character THEN
            fault := 'a text has bytes that are no characters in UTF-8';
        END;
    END IF;
    IF fault IS NOT NULL THEN
        RAISE EXCEPTION USING
            ERRCODE = 'check_violation',
            SCHEMA = TG_TABLE_SCHEMA, TABLE = TG_TABLE_NAME, CONSTRAINT = TG_NAME,
            MESSAGE = format('%s: %s', TG_NAME, fault);
    END IF;
    RETURN NEW;
END
$$
