    SELECT RAISE(ABORT, '{rule}: {column} is nested in more than {levels} levels')
    WHERE length(NEW.{column}) - length(replace(replace(NEW.{column}, '[', ''), '{', '')) > {levels}
        AND EXISTS (
            WITH RECURSIVE part (level, document) AS (
                SELECT 1, NEW.{column} WHERE json_valid(NEW.{column})
                UNION ALL
                SELECT part.level + 1, inner_part.value
                FROM part CROSS JOIN json_each(part.document) AS inner_part
                WHERE part.level <= {levels} AND inner_part.type IN ('array', 'object')
            )
            SELECT 1 FROM part WHERE level > {levels}
        );
    SELECT RAISE(ABORT, '{rule}: {column} has a number that no double can hold')
    WHERE (
            NEW.{column} GLOB '*e[0-9][0-9][0-9]*' OR NEW.{column} GLOB '*E[0-9][0-9][0-9]*'
            OR NEW.{column} GLOB '*e+[0-9][0-9][0-9]*' OR NEW.{column} GLOB '*E+[0-9][0-9][0-9]*'
        )
        AND json_valid(NEW.{column})
        AND EXISTS (
            SELECT 1 FROM json_tree(NEW.{column}) AS part
            WHERE part.type IN ('integer', 'real') AND abs(part.value) > 1.7976931348623157e308
        );
    SELECT RAISE(ABORT, '{rule}: {column} has a number of more than {digits} digits')
    -- Every second part between quotes is outside of strings, and digits are made zeros to be counted.
    WHERE length(NEW.{column}) > {digits} AND NEW.{column} GLOB '*[0-9][0-9][0-9][0-9][0-9][0-9][0-9][0-9]*'
        AND EXISTS (
            WITH RECURSIVE part (place, said, rest) AS (
                SELECT 0, '', replace(replace(NEW.{column}, '\\', ''), '\"', '') || '"'
                UNION ALL
                SELECT place + 1, substr(rest, 1, instr(rest, '"') - 1), substr(rest, instr(rest, '"') + 1)
                FROM part WHERE rest <> ''
            )
            SELECT 1 FROM part
            WHERE place % 2 = 1 AND length(said) > {digits} AND instr(
                replace(replace(replace(replace(replace(replace(replace(replace(replace(
                    said, '1', '0'), '2', '0'), '3', '0'), '4', '0'), '5', '0'), '6', '0'), '7', '0'), '8', '0'), '9', '0'),
                substr(hex(zeroblob(155)), 1, 309)
            ) > 0
        );
