-- True for a JSON document that is small wherever it is written as text: in a row, a report, an archive, a dump.
--
-- It is not printed to find out, since that is the attack: a number of 8 bytes prints as up to 147,000 digits. First come
-- the stored size, as it is and decompressed, then levels, then numbers. Each step bounds what the next costs: documents
-- of up to 320 bytes print as 4 MB at most, and without numbers beyond 1e400 those of up to 2048 bytes as 3 MB. A query
-- takes 20 microseconds, so the decimal places of usual documents are read only where the text is longer than expected.
--
-- An audit entry contains documents of other tables, which therefore have fewer levels.
CREATE FUNCTION {schema}.kms_is_bounded(document jsonb, most_bytes integer, in_entry boolean) RETURNS boolean
LANGUAGE plpgsql IMMUTABLE STRICT PARALLEL SAFE
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    plain jsonb;
    stored integer;
    printed integer;
BEGIN
    IF pg_column_size(document) > most_bytes THEN
        RETURN false;
    END IF;
    plain := CASE jsonb_typeof(document) WHEN 'array' THEN document || '[]' ELSE document || '{}' END;
    stored := pg_column_size(plain);
    IF stored > most_bytes
        OR jsonb_path_exists(plain, CASE WHEN in_entry
            THEN CAST('strict $.**{32 to last} ? (@.type() == "object" || @.type() == "array")' AS jsonpath)
            ELSE 'strict $.**{16 to last} ? (@.type() == "object" || @.type() == "array")'
        END)
        OR (
            stored BETWEEN 321 AND 2048
            AND jsonb_path_exists(plain, 'strict $.** ? (@.type() == "number" && (@ >= 1e400 || @ <= -1e400))')
        )
    THEN
        RETURN false;
    END IF;
    printed := CASE WHEN stored <= 2048 THEN octet_length(plain::text) END;
    IF coalesce(printed > stored + 200, true) THEN
        IF EXISTS (
            SELECT FROM jsonb_path_query(plain, 'strict $.** ? (@.type() == "number")') AS number
            WHERE abs(number::numeric) >= 1e400 OR scale(number::numeric) > 400
        ) THEN
            RETURN false;
        END IF;
    END IF;
    RETURN coalesce(printed, octet_length(plain::text)) <= most_bytes;
END
$$
