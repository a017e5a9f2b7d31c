
DO $kms$
BEGIN
    IF current_setting('kms.rights_lent') = 'yes' THEN
        EXECUTE format('REVOKE %I FROM %I', {owner}, current_user);
    END IF;
END $kms$;
