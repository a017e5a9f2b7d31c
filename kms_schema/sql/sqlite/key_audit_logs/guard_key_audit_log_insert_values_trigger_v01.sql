-- Repeats the table's CHECK constraints, for connections that ignore them (PRAGMA ignore_check_constraints). Not those
-- of id, sequence, timestamp and recorded_by: guard_key_audit_log_insert checks these. A key whose id is not valid, which such
-- a connection can add, would otherwise make an entry that cannot be sealed.
--
-- Also bounds what an entry may say, as on PostgreSQL, and refuses text that is not UTF-8: such an entry could not be
-- written into an archive. Each slow check has a fast one before it, which most entries pass.
CREATE TRIGGER guard_key_audit_log_insert_values
BEFORE INSERT ON key_audit_logs
BEGIN
    SELECT RAISE(ABORT, 'ck_key_audit_logs_event_type_is_name: event_type is not a letter and then letters, digits or _.:-')
    WHERE NOT (NEW.event_type GLOB '[A-Za-z]*' AND NEW.event_type NOT GLOB '*[^A-Za-z0-9_.:-]*');
    SELECT RAISE(ABORT, 'ck_key_audit_logs_event_category_known: unknown event_category')
    WHERE NOT (NEW.event_category IN ('LIFECYCLE', 'SECURITY', 'COMPLIANCE', 'POLICY'));
    SELECT RAISE(ABORT, 'ck_key_audit_logs_security_level_known: unknown security_level')
    WHERE NOT (NEW.security_level IN ('LOW', 'MEDIUM', 'HIGH', 'CRITICAL'));
    SELECT RAISE(ABORT, 'ck_key_audit_logs_duration_ms_not_negative: duration_ms is negative')
    WHERE NOT (NEW.duration_ms >= 0);
    SELECT RAISE(ABORT, 'ck_key_audit_logs_risk_score_range: risk_score is not between 0 and 100')
    WHERE NOT (NEW.risk_score BETWEEN 0 AND 100);
    SELECT RAISE(ABORT, 'ck_key_audit_logs_retention_period_days_range: retention_period_days is not between 1 and 36500')
    WHERE NOT (NEW.retention_period_days BETWEEN 1 AND 36500);
    SELECT RAISE(ABORT, 'ck_key_audit_logs_compliance_tags_is_array: compliance_tags is no JSON array')
    WHERE NOT (CASE WHEN json_valid(NEW.compliance_tags) THEN json_type(NEW.compliance_tags) = 'array' ELSE NEW.compliance_tags IS NULL END);
    SELECT RAISE(ABORT, 'ck_key_audit_logs_additional_metadata_is_object: additional_metadata is no JSON object')
    WHERE NOT (CASE WHEN json_valid(NEW.additional_metadata) THEN json_type(NEW.additional_metadata) = 'object' ELSE NEW.additional_metadata IS NULL END);
    SELECT RAISE(ABORT, 'ck_key_audit_logs_key_id_type: key_id is not 32 lower-case hexadecimal digits')
    WHERE NOT (NEW.key_id IS NULL OR (typeof(NEW.key_id) = 'text' AND instr(NEW.key_id, char(0)) = 0 AND length(NEW.key_id) = 32 AND NEW.key_id NOT GLOB '*[^0-9a-f]*'));
    SELECT RAISE(ABORT, 'ck_key_audit_logs_event_type_type: event_type is not text of up to 50 characters without NUL')
    WHERE NOT (typeof(NEW.event_type) = 'text' AND instr(NEW.event_type, char(0)) = 0 AND length(NEW.event_type) <= 50);
    SELECT RAISE(ABORT, 'ck_key_audit_logs_event_description_type: event_description is not text without NUL')
    WHERE NOT (typeof(NEW.event_description) = 'text' AND instr(NEW.event_description, char(0)) = 0);
    SELECT RAISE(ABORT, 'ck_key_audit_logs_user_id_type: user_id is not text of up to 100 characters without NUL')
    WHERE NOT (NEW.user_id IS NULL OR (typeof(NEW.user_id) = 'text' AND instr(NEW.user_id, char(0)) = 0 AND length(NEW.user_id) <= 100));
    SELECT RAISE(ABORT, 'ck_key_audit_logs_session_id_type: session_id is not text of up to 100 characters without NUL')
    WHERE NOT (NEW.session_id IS NULL OR (typeof(NEW.session_id) = 'text' AND instr(NEW.session_id, char(0)) = 0 AND length(NEW.session_id) <= 100));
    SELECT RAISE(ABORT, 'ck_key_audit_logs_client_ip_type: client_ip is not text of up to 45 characters without NUL')
    WHERE NOT (NEW.client_ip IS NULL OR (typeof(NEW.client_ip) = 'text' AND instr(NEW.client_ip, char(0)) = 0 AND length(NEW.client_ip) <= 45));
    SELECT RAISE(ABORT, 'ck_key_audit_logs_user_agent_type: user_agent is not text of up to 500 characters without NUL')
    WHERE NOT (NEW.user_agent IS NULL OR (typeof(NEW.user_agent) = 'text' AND instr(NEW.user_agent, char(0)) = 0 AND length(NEW.user_agent) <= 500));
    SELECT RAISE(ABORT, 'ck_key_audit_logs_duration_ms_type: duration_ms is not an integer')
    WHERE NOT (NEW.duration_ms IS NULL OR (typeof(NEW.duration_ms) = 'integer'));
    SELECT RAISE(ABORT, 'ck_key_audit_logs_risk_score_type: risk_score is not an integer')
    WHERE NOT (NEW.risk_score IS NULL OR (typeof(NEW.risk_score) = 'integer'));
    SELECT RAISE(ABORT, 'ck_key_audit_logs_compliance_tags_type: compliance_tags is not JSON text')
    WHERE NOT (NEW.compliance_tags IS NULL OR (typeof(NEW.compliance_tags) = 'text' AND instr(NEW.compliance_tags, char(0)) = 0 AND json_valid(NEW.compliance_tags)));
    SELECT RAISE(ABORT, 'ck_key_audit_logs_retention_period_days_type: retention_period_days is not an integer')
    WHERE NOT (typeof(NEW.retention_period_days) = 'integer');
    SELECT RAISE(ABORT, 'ck_key_audit_logs_additional_metadata_type: additional_metadata is not JSON text')
    WHERE NOT (NEW.additional_metadata IS NULL OR (typeof(NEW.additional_metadata) = 'text' AND instr(NEW.additional_metadata, char(0)) = 0 AND json_valid(NEW.additional_metadata)));
    SELECT RAISE(ABORT, 'guard_key_audit_log_insert_values: event_description has more than 32768 bytes')
    WHERE length(CAST(NEW.event_description AS BLOB)) > 32768;
    SELECT RAISE(ABORT, 'guard_key_audit_log_insert_values: compliance_tags has more than 32768 bytes')
    WHERE length(CAST(NEW.compliance_tags AS BLOB)) > 32768;
    SELECT RAISE(ABORT, 'guard_key_audit_log_insert_values: additional_metadata has more than 65536 bytes')
    WHERE length(CAST(NEW.additional_metadata AS BLOB)) > 65536;
    SELECT RAISE(ABORT, 'guard_key_audit_log_insert_values: a document is nested in more than 32 levels')
    WHERE (
            length(NEW.compliance_tags) - length(replace(replace(NEW.compliance_tags, '[', ''), '{', '')) > 32
            OR length(NEW.additional_metadata) - length(replace(replace(NEW.additional_metadata, '[', ''), '{', '')) > 32
        )
        AND EXISTS (
            WITH RECURSIVE part (level, document) AS (
                VALUES (1, NEW.compliance_tags), (1, NEW.additional_metadata)
                UNION ALL
                SELECT part.level + 1, inner_part.value
                FROM part CROSS JOIN json_each(part.document) AS inner_part
                WHERE part.level <= 32 AND inner_part.type IN ('array', 'object')
            )
            SELECT 1 FROM part WHERE level > 32
        );
    SELECT RAISE(ABORT, 'guard_key_audit_log_insert_values: a document has a number that no double can hold')
    WHERE (
            NEW.compliance_tags GLOB '*e[0-9][0-9][0-9]*' OR NEW.compliance_tags GLOB '*E[0-9][0-9][0-9]*'
            OR NEW.compliance_tags GLOB '*e+[0-9][0-9][0-9]*' OR NEW.compliance_tags GLOB '*E+[0-9][0-9][0-9]*'
            OR NEW.additional_metadata GLOB '*e[0-9][0-9][0-9]*' OR NEW.additional_metadata GLOB '*E[0-9][0-9][0-9]*'
            OR NEW.additional_metadata GLOB '*e+[0-9][0-9][0-9]*' OR NEW.additional_metadata GLOB '*E+[0-9][0-9][0-9]*'
        )
        AND EXISTS (
            WITH given (document) AS (VALUES (NEW.compliance_tags), (NEW.additional_metadata))
            SELECT 1 FROM given CROSS JOIN json_tree(given.document) AS part
            WHERE part.type IN ('integer', 'real') AND abs(part.value) > 1.7976931348623157e308
        );
    SELECT RAISE(ABORT, 'guard_key_audit_log_insert_values: a document has a number of more than 308 digits')
    -- Every second part between quotes is outside of strings, and digits are made zeros to be counted.
    WHERE (length(NEW.compliance_tags) > 308 OR length(NEW.additional_metadata) > 308)
        AND coalesce(NEW.compliance_tags, '') || coalesce(NEW.additional_metadata, '') GLOB '*[0-9][0-9][0-9][0-9][0-9][0-9][0-9][0-9]*'
        AND EXISTS (
            WITH RECURSIVE part (place, said, rest) AS (
                SELECT 0, '', replace(replace(NEW.compliance_tags, '\\', ''), '\"', '') || '"' WHERE length(NEW.compliance_tags) > 308
                UNION ALL
                SELECT 0, '', replace(replace(NEW.additional_metadata, '\\', ''), '\"', '') || '"' WHERE length(NEW.additional_metadata) > 308
                UNION ALL
                SELECT place + 1, substr(rest, 1, instr(rest, '"') - 1), substr(rest, instr(rest, '"') + 1)
                FROM part WHERE rest <> ''
            )
            SELECT 1 FROM part
            WHERE place % 2 = 1 AND length(said) > 308 AND instr(
                replace(replace(replace(replace(replace(replace(replace(replace(replace(
                    said, '1', '0'), '2', '0'), '3', '0'), '4', '0'), '5', '0'), '6', '0'), '7', '0'), '8', '0'), '9', '0'),
                substr(hex(zeroblob(155)), 1, 309)
            ) > 0
        );
    SELECT RAISE(ABORT, 'guard_key_audit_log_insert_values: a text is not valid UTF-8')
    -- instr() counts the bytes that do not continue a character, after a first one; GLOB reads a byte that begins one,
    -- alone, as U+FFFD.
    WHERE (
            NEW.event_description IS NOT NULL AND (instr('.' || NEW.event_description || char(0), char(0)) <= length(CAST(NEW.event_description AS BLOB)) + 1 OR NEW.event_description GLOB '*�*')
            OR NEW.user_id IS NOT NULL AND (instr('.' || NEW.user_id || char(0), char(0)) <= length(CAST(NEW.user_id AS BLOB)) + 1 OR NEW.user_id GLOB '*�*')
            OR NEW.session_id IS NOT NULL AND (instr('.' || NEW.session_id || char(0), char(0)) <= length(CAST(NEW.session_id AS BLOB)) + 1 OR NEW.session_id GLOB '*�*')
            OR NEW.client_ip IS NOT NULL AND (instr('.' || NEW.client_ip || char(0), char(0)) <= length(CAST(NEW.client_ip AS BLOB)) + 1 OR NEW.client_ip GLOB '*�*')
            OR NEW.user_agent IS NOT NULL AND (instr('.' || NEW.user_agent || char(0), char(0)) <= length(CAST(NEW.user_agent AS BLOB)) + 1 OR NEW.user_agent GLOB '*�*')
            OR NEW.compliance_tags IS NOT NULL AND (instr('.' || NEW.compliance_tags || char(0), char(0)) <= length(CAST(NEW.compliance_tags AS BLOB)) + 1 OR NEW.compliance_tags GLOB '*�*')
            OR NEW.additional_metadata IS NOT NULL AND (instr('.' || NEW.additional_metadata || char(0), char(0)) <= length(CAST(NEW.additional_metadata AS BLOB)) + 1 OR NEW.additional_metadata GLOB '*�*')
        )
        AND EXISTS (
            -- Each text from its first byte on, with a character before it; the next 4 bytes are in hexadecimal digits.
            -- The size of a character is that of RFC 3629, section 4: NULL, and so is the place after it, if it is not one.
            WITH RECURSIVE place (number, byte, digits) AS (
                VALUES (1, 0, '20'), (2, 0, '20'), (3, 0, '20'), (4, 0, '20'), (5, 0, '20'), (6, 0, '20'), (7, 0, '20')
                UNION ALL
                SELECT
                    number,
                    byte + CASE
                        WHEN digits < '8' THEN 1
                        WHEN digits GLOB 'C[2-9A-F][89AB]*' OR digits GLOB 'D?[89AB]*' THEN 2
                        WHEN digits GLOB 'E[1-9A-CEF][89AB]?[89AB]*' OR digits GLOB 'E0[AB]?[89AB]*' OR digits GLOB 'ED[89]?[89AB]*' THEN 3
                        WHEN digits GLOB 'F[1-3][89AB]?[89AB]?[89AB]*' OR digits GLOB 'F0[9AB]?[89AB]?[89AB]*' OR digits GLOB 'F48?[89AB]?[89AB]*' THEN 4
                    END,
                    hex(substr(
                        CAST(CASE number
                            WHEN 1 THEN NEW.event_description WHEN 2 THEN NEW.user_id WHEN 3 THEN NEW.session_id
                            WHEN 4 THEN NEW.client_ip WHEN 5 THEN NEW.user_agent WHEN 6 THEN NEW.compliance_tags
                            ELSE NEW.additional_metadata
                        END AS BLOB),
                        byte + CASE
                            WHEN digits < '8' THEN 1
                            WHEN digits GLOB 'C[2-9A-F][89AB]*' OR digits GLOB 'D?[89AB]*' THEN 2
                            WHEN digits GLOB 'E[1-9A-CEF][89AB]?[89AB]*' OR digits GLOB 'E0[AB]?[89AB]*' OR digits GLOB 'ED[89]?[89AB]*' THEN 3
                            WHEN digits GLOB 'F[1-3][89AB]?[89AB]?[89AB]*' OR digits GLOB 'F0[9AB]?[89AB]?[89AB]*' OR digits GLOB 'F48?[89AB]?[89AB]*' THEN 4
                        END,
                        4
                    ))
                FROM place WHERE digits <> ''
            )
            SELECT 1 FROM place WHERE byte IS NULL
        );
END
