-- The ciphertext; with the tag, if it is too short to be checked alone.
CASE
    WHEN substr({0}, 1, 1) = {bytes(01)} AND length({0}) >= 29 + {least_judged}
        THEN substr({0}, 14, length({0}) - 29)
    WHEN substr({0}, 1, 1) = {bytes(01)} AND length({0}) >= 13 + {least_judged} THEN substr({0}, 14)
    WHEN substr({0}, 1, 1) = {bytes(02)} AND length({0}) >= 1 + {least_judged} THEN substr({0}, 2)
END
