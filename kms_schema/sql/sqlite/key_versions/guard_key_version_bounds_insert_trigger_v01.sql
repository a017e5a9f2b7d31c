-- Bounds texts and documents, as on PostgreSQL: what a change writes into an audit entry fits into one.
CREATE TRIGGER guard_key_version_bounds_insert
BEFORE INSERT ON key_versions
BEGIN
    SELECT RAISE(ABORT, 'guard_key_version_bounds: encryption_metadata has more than 65536 bytes')
    WHERE length(CAST(NEW.encryption_metadata AS BLOB)) > 65536;
    SELECT RAISE(ABORT, 'guard_key_version_bounds: encryption_metadata is nested in more than 16 levels')
    WHERE length(NEW.encryption_metadata) - length(replace(replace(NEW.encryption_metadata, '[', ''), '{', '')) > 16
        AND EXISTS (
            WITH RECURSIVE part (level, document) AS (
                SELECT 1, NEW.encryption_metadata WHERE json_valid(NEW.encryption_metadata)
                UNION ALL
                SELECT part.level + 1, inner_part.value
                FROM part CROSS JOIN json_each(part.document) AS inner_part
                WHERE part.level <= 16 AND inner_part.type IN ('array', 'object')
            )
            SELECT 1 FROM part WHERE level > 16
        );
    SELECT RAISE(ABORT, 'guard_key_version_bounds: encryption_metadata has a number that no double can hold')
    WHERE (
            NEW.encryption_metadata GLOB '*e[0-9][0-9][0-9]*' OR NEW.encryption_metadata GLOB '*E[0-9][0-9][0-9]*'
            OR NEW.encryption_metadata GLOB '*e+[0-9][0-9][0-9]*' OR NEW.encryption_metadata GLOB '*E+[0-9][0-9][0-9]*'
        )
        AND json_valid(NEW.encryption_metadata)
        AND EXISTS (
            SELECT 1 FROM json_tree(NEW.encryption_metadata) AS part
            WHERE part.type IN ('integer', 'real') AND abs(part.value) > 1.7976931348623157e308
        );
END
