-- The reason why an envelope looks like plaintext, or NULL.
CASE
    WHEN {is_printable({part(judged, {0})})} THEN 'is text after its format byte'
    WHEN substr({0}, 1, 1) = {bytes(01)} AND substr({0}, 2, 12) = {bytes(000000000000000000000000)}
        THEN 'has a nonce of zero bytes'
    WHEN substr({0}, 1, 1) = {bytes(01)} AND substr({0}, length({0}) - 15) = {bytes(00000000000000000000000000000000)}
        THEN 'has a tag of zero bytes'
END
