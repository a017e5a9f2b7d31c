-- Derived from the models by tools/derived_sql.py.
-- Bounds texts and documents, as on PostgreSQL: what a change writes into an audit entry fits into one.
CREATE TRIGGER guard_rotation_policy_bounds
BEFORE UPDATE OF notification_channels ON rotation_policies
BEGIN
    SELECT RAISE(ABORT, 'guard_rotation_policy_bounds: notification_channels has more than 65536 bytes')
    WHERE length(CAST(NEW.notification_channels AS BLOB)) > 65536;
    SELECT RAISE(ABORT, 'guard_rotation_policy_bounds: notification_channels is nested in more than 16 levels')
    WHERE length(NEW.notification_channels) - length(replace(replace(NEW.notification_channels, '[', ''), '{', '')) > 16
        AND EXISTS (
            WITH RECURSIVE part (level, document) AS (
                SELECT 1, NEW.notification_channels WHERE json_valid(NEW.notification_channels)
                UNION ALL
                SELECT part.level + 1, inner_part.value
                FROM part CROSS JOIN json_each(part.document) AS inner_part
                WHERE part.level <= 16 AND inner_part.type IN ('array', 'object')
            )
            SELECT 1 FROM part WHERE level > 16
        );
    SELECT RAISE(ABORT, 'guard_rotation_policy_bounds: notification_channels has a number that no double can hold')
    WHERE (
            NEW.notification_channels GLOB '*e[0-9][0-9][0-9]*' OR NEW.notification_channels GLOB '*E[0-9][0-9][0-9]*'
            OR NEW.notification_channels GLOB '*e+[0-9][0-9][0-9]*' OR NEW.notification_channels GLOB '*E+[0-9][0-9][0-9]*'
        )
        AND json_valid(NEW.notification_channels)
        AND EXISTS (
            SELECT 1 FROM json_tree(NEW.notification_channels) AS part
            WHERE part.type IN ('integer', 'real') AND abs(part.value) > 1.7976931348623157e308
        );
    SELECT RAISE(ABORT, 'guard_rotation_policy_bounds: notification_channels has a number of more than 308 digits')
    -- Every second part between quotes is outside of strings, and digits are made zeros to be counted.
    WHERE length(NEW.notification_channels) > 308 AND NEW.notification_channels GLOB '*[0-9][0-9][0-9][0-9][0-9][0-9][0-9][0-9]*'
        AND EXISTS (
            WITH RECURSIVE part (place, said, rest) AS (
                SELECT 0, '', replace(replace(NEW.notification_channels, '\\', ''), '\"', '') || '"'
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
    SELECT RAISE(ABORT, 'guard_rotation_policy_bounds: notification_channels is not valid UTF-8')
    -- Halves it until a part is ASCII or one character, whose bytes must be those of RFC 3629, section 4.
    WHERE typeof(NEW.notification_channels) = 'text' AND NEW.notification_channels GLOB '*[^' || char(1) || '-' || char(127) || ']*' AND EXISTS (
        WITH RECURSIVE part (said) AS (
            VALUES (NEW.notification_channels)
            UNION ALL
            SELECT CASE half.place WHEN 1 THEN substr(said, 1, length(said) / 2) ELSE substr(said, length(said) / 2 + 1) END
            FROM part CROSS JOIN (SELECT 1 AS place UNION ALL SELECT 2) AS half
            WHERE length(said) > 1 AND said GLOB '*[^' || char(1) || '-' || char(127) || ']*'
        )
        SELECT 1 FROM part
        WHERE length(said) = 1 AND said GLOB '*[^' || char(1) || '-' || char(127) || ']*' AND NOT (
            hex(said) GLOB 'C[2-9A-F][89AB]?' OR hex(said) GLOB 'D?[89AB]?'
            OR hex(said) GLOB 'E[1-9A-CEF][89AB]?[89AB]?' OR hex(said) GLOB 'E0[AB]?[89AB]?' OR hex(said) GLOB 'ED[89]?[89AB]?'
            OR hex(said) GLOB 'F[1-3][89AB]?[89AB]?[89AB]?' OR hex(said) GLOB 'F0[9AB]?[89AB]?[89AB]?'
            OR hex(said) GLOB 'F48?[89AB]?[89AB]?'
        )
    );
END
