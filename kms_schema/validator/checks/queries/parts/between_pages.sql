-- Between two pages, and from the last page to the last sequence of a seal.
SELECT coalesce(lag(last_sequence) OVER (ORDER BY first_sequence), -9223372036854775807) AS after,
        first_sequence AS before
    FROM ({part(pages)}) AS pages
    UNION ALL
    SELECT coalesce((SELECT max(last_sequence) FROM ({part(pages)}) AS pages), -9223372036854775807),
        {part(last_seal, last_sequence)} + 1
