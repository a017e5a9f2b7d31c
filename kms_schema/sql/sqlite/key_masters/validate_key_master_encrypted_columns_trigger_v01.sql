-- The columns of applications that hold ciphertexts of the key: before a version is destroyed, its ciphertexts are counted
-- there, so none is taken away by mistake. There are no roles to tell an application from an administrator: a statement
-- that takes one away sets status_reason as well, which no application does, and which the entry shows. A CHECK refuses
-- what is no array.
CREATE TRIGGER validate_key_master_encrypted_columns
BEFORE UPDATE OF encrypted_columns ON key_masters
BEGIN
    SELECT RAISE(ABORT, 'validate_key_master_encrypted_columns: each encrypted column is an object with the texts table and column')
    WHERE json_valid(NEW.encrypted_columns) AND json_type(NEW.encrypted_columns) = 'array' AND EXISTS (
        SELECT 1 FROM json_each(NEW.encrypted_columns) AS part
        WHERE part.type <> 'object' OR (
            SELECT count(*) <> 2 OR count(DISTINCT member.key) <> 2 OR max(
                member.type <> 'text' OR member.value = '' OR member.key NOT IN ('table', 'column')
            )
            FROM json_each(CASE part.type WHEN 'object' THEN part.value ELSE '{}' END) AS member
        )
    );
    SELECT RAISE(ABORT, 'validate_key_master_encrypted_columns: a declared column may not be taken away or changed, unless the statement gives a new status_reason')
    WHERE (NEW.status_reason IS NULL OR NEW.status_reason IS OLD.status_reason) AND EXISTS (
        SELECT 1 FROM json_each(CASE WHEN json_valid(OLD.encrypted_columns) THEN OLD.encrypted_columns END) AS declared
        WHERE NOT EXISTS (
            SELECT 1 FROM json_each(CASE WHEN json_valid(NEW.encrypted_columns) THEN NEW.encrypted_columns END) AS kept
            WHERE kept.type = 'object'
                AND json_extract(kept.value, '$.table') IS json_extract(declared.value, '$.table')
                AND json_extract(kept.value, '$.column') IS json_extract(declared.value, '$.column')
        )
    );
END
