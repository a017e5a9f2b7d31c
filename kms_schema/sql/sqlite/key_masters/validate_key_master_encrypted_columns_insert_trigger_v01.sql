-- Derived from the models by tools/derived_sql.py.
-- As validate_key_master_encrypted_columns, whose comment explains them.
CREATE TRIGGER validate_key_master_encrypted_columns_insert
BEFORE INSERT ON key_masters
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
END
