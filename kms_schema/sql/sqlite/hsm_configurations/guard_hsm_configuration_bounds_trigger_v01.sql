-- Bounds texts and documents, as on PostgreSQL: what a change writes into an audit entry fits into one.
CREATE TRIGGER guard_hsm_configuration_bounds
BEFORE UPDATE OF supported_algorithms ON hsm_configurations
BEGIN
    SELECT RAISE(ABORT, 'guard_hsm_configuration_bounds: supported_algorithms has more than 4096 bytes')
    WHERE length(CAST(NEW.supported_algorithms AS BLOB)) > 4096;
    SELECT RAISE(ABORT, 'guard_hsm_configuration_bounds: supported_algorithms is nested in more than 16 levels')
    WHERE length(NEW.supported_algorithms) - length(replace(replace(NEW.supported_algorithms, '[', ''), '{', '')) > 16
        AND EXISTS (
            WITH RECURSIVE part (level, document) AS (
                SELECT 1, NEW.supported_algorithms WHERE json_valid(NEW.supported_algorithms)
                UNION ALL
                SELECT part.level + 1, inner_part.value
                FROM part CROSS JOIN json_each(part.document) AS inner_part
                WHERE part.level <= 16 AND inner_part.type IN ('array', 'object')
            )
            SELECT 1 FROM part WHERE level > 16
        );
    SELECT RAISE(ABORT, 'guard_hsm_configuration_bounds: supported_algorithms has a number that no double can hold')
    WHERE (
            NEW.supported_algorithms GLOB '*e[0-9][0-9][0-9]*' OR NEW.supported_algorithms GLOB '*E[0-9][0-9][0-9]*'
            OR NEW.supported_algorithms GLOB '*e+[0-9][0-9][0-9]*' OR NEW.supported_algorithms GLOB '*E+[0-9][0-9][0-9]*'
        )
        AND json_valid(NEW.supported_algorithms)
        AND EXISTS (
            SELECT 1 FROM json_tree(NEW.supported_algorithms) AS part
            WHERE part.type IN ('integer', 'real') AND abs(part.value) > 1.7976931348623157e308
        );
END
