-- Bounds texts and documents, as on PostgreSQL: what a change writes into an audit entry fits into one.
CREATE TRIGGER guard_key_master_bounds
BEFORE UPDATE OF status_reason, compliance_tags, hsm_metadata ON key_masters
BEGIN
    SELECT RAISE(ABORT, 'guard_key_master_bounds: status_reason has more than 4096 bytes')
    WHERE length(CAST(NEW.status_reason AS BLOB)) > 4096;
    SELECT RAISE(ABORT, 'guard_key_master_bounds: compliance_tags has more than 4096 bytes')
    WHERE length(CAST(NEW.compliance_tags AS BLOB)) > 4096;
    SELECT RAISE(ABORT, 'guard_key_master_bounds: compliance_tags is nested in more than 16 levels')
    WHERE length(NEW.compliance_tags) - length(replace(replace(NEW.compliance_tags, '[', ''), '{', '')) > 16
        AND EXISTS (
            WITH RECURSIVE part (level, document) AS (
                SELECT 1, NEW.compliance_tags WHERE json_valid(NEW.compliance_tags)
                UNION ALL
                SELECT part.level + 1, inner_part.value
                FROM part CROSS JOIN json_each(part.document) AS inner_part
                WHERE part.level <= 16 AND inner_part.type IN ('array', 'object')
            )
            SELECT 1 FROM part WHERE level > 16
        );
    SELECT RAISE(ABORT, 'guard_key_master_bounds: compliance_tags has a number that no double can hold')
    WHERE (
            NEW.compliance_tags GLOB '*e[0-9][0-9][0-9]*' OR NEW.compliance_tags GLOB '*E[0-9][0-9][0-9]*'
            OR NEW.compliance_tags GLOB '*e+[0-9][0-9][0-9]*' OR NEW.compliance_tags GLOB '*E+[0-9][0-9][0-9]*'
        )
        AND json_valid(NEW.compliance_tags)
        AND EXISTS (
            SELECT 1 FROM json_tree(NEW.compliance_tags) AS part
            WHERE part.type IN ('integer', 'real') AND abs(part.value) > 1.7976931348623157e308
        );
    SELECT RAISE(ABORT, 'guard_key_master_bounds: hsm_metadata has more than 65536 bytes')
    WHERE length(CAST(NEW.hsm_metadata AS BLOB)) > 65536;
    SELECT RAISE(ABORT, 'guard_key_master_bounds: hsm_metadata is nested in more than 16 levels')
    WHERE length(NEW.hsm_metadata) - length(replace(replace(NEW.hsm_metadata, '[', ''), '{', '')) > 16
        AND EXISTS (
            WITH RECURSIVE part (level, document) AS (
                SELECT 1, NEW.hsm_metadata WHERE json_valid(NEW.hsm_metadata)
                UNION ALL
                SELECT part.level + 1, inner_part.value
                FROM part CROSS JOIN json_each(part.document) AS inner_part
                WHERE part.level <= 16 AND inner_part.type IN ('array', 'object')
            )
            SELECT 1 FROM part WHERE level > 16
        );
    SELECT RAISE(ABORT, 'guard_key_master_bounds: hsm_metadata has a number that no double can hold')
    WHERE (
            NEW.hsm_metadata GLOB '*e[0-9][0-9][0-9]*' OR NEW.hsm_metadata GLOB '*E[0-9][0-9][0-9]*'
            OR NEW.hsm_metadata GLOB '*e+[0-9][0-9][0-9]*' OR NEW.hsm_metadata GLOB '*E+[0-9][0-9][0-9]*'
        )
        AND json_valid(NEW.hsm_metadata)
        AND EXISTS (
            SELECT 1 FROM json_tree(NEW.hsm_metadata) AS part
            WHERE part.type IN ('integer', 'real') AND abs(part.value) > 1.7976931348623157e308
        );
END
