    SELECT RAISE(ABORT, '{rule}: {column} is not valid UTF-8')
    -- Halves it until a part is ASCII or one character, whose bytes must be those of RFC 3629, section 4.
    WHERE typeof(NEW.{column}) = 'text' AND NEW.{column} GLOB '*[^' || char(1) || '-' || char(127) || ']*' AND EXISTS (
        WITH RECURSIVE part (said) AS (
            VALUES (NEW.{column})
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
