-- A CHECK that is violated prints the row, in the error and in the server's log. So the CHECKs of columns that may hold
-- credentials in plaintext are checked here first.
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
            split_part(NEW.endpoint_url, '://', CASE WHEN strpos(NEW.endpoint_url, '://') > 0 THEN 2 ELSE 1 END)
                !~ '^[^/?#]*:[^/?#]*@'
            AND NEW.endpoint_url !~* '[?&;](password|passwd|pwd|pin|pin-value|secret)='
        )
            THEN 'endpoint_url has a password or a PIN (ck_hsm_configurations_endpoint_url_has_no_secret)'
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
