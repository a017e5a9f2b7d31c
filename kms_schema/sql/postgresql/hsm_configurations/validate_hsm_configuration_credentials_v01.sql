-- A CHECK that is violated prints the row, in the error and in the server's log. So the CHECKs of columns that may hold
-- credentials in plaintext are checked here first. COLLATE "C": in Turkish the i of PIN in lower case is another letter.
CREATE FUNCTION {schema}.validate_hsm_configuration_credentials() RETURNS trigger
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    fault CONSTANT text := CASE
        WHEN substring(NEW.authentication_config FROM 1 FOR 1) <> '\x01'::bytea
            OR octet_length(NEW.authentication_config) < 30
            THEN 'authentication_config is no envelope (ck_hsm_configurations_authentication_config_is_envelope)'
        WHEN NOT (
            regexp_replace(replace(replace(replace(replace(lower(NEW.endpoint_url COLLATE "C"), '%3a', ':'), '%3d', '='), '%40', '@'), ' =', '='), '^[a-z][a-z0-9+.-]*:/+', '') !~ ':.*@'
            AND replace(replace(replace(replace(replace(replace(lower(NEW.endpoint_url COLLATE "C"), '%3a', ':'), '%3d', '='), '%40', '@'), ' =', '='), '_', ''), '-', '') !~ '(password|passwd|passphrase|secret|credential|credentials|apikey|accesskey|secretkey|privatekey|sharedkey|accesstoken|authtoken|bearertoken|sessiontoken|pinvalue)='
            AND replace(replace(replace(replace(lower(NEW.endpoint_url COLLATE "C"), '%3a', ':'), '%3d', '='), '%40', '@'), ' =', '=') !~ '(^|[^a-z0-9])(pwd|pass|pin)='
            AND replace(replace(replace(replace(lower(NEW.endpoint_url COLLATE "C"), '%3a', ':'), '%3d', '='), '%40', '@'), ' =', '=') !~ '%25|%2[de]|%3[0-9]|%[46][1-9a-f]|%[57][0-9a]|%5f|%7e'
        )
            THEN 'endpoint_url may have a password, a PIN or a token (ck_hsm_configurations_endpoint_url_has_no_secret)'
    END;
BEGIN
    IF fault IS NOT NULL THEN
        RAISE EXCEPTION USING
            ERRCODE = 'check_violation',
            SCHEMA = TG_TABLE_SCHEMA, TABLE = TG_TABLE_NAME, CONSTRAINT = TG_NAME,
            MESSAGE = format('%s: %s', TG_NAME, fault),
            HINT = 'Encrypt credentials into authentication_config; this message does not repeat them.';
    END IF;
    RETURN NEW;
END
$$
