-- Draws the tag with which the ciphertexts of a version begin: a random number that no version has. The first four bytes
-- of gen_random_uuid() are random and come from the server's strong source. Rows that the same statement inserted before
-- are seen, those of a concurrent transaction are not: two of them may draw the same tag once in 2^32 pairs of versions,
-- then the constraint refuses the later one (23505), and its transaction may be repeated.
--
-- SECURITY DEFINER: row-level security must not hide a version from this check. A plan is cached for the session: one
-- that was made for three versions would scan the whole table for each of a million.
CREATE FUNCTION {schema}.draw_key_version_ciphertext_tag() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
SET enable_seqscan = off
AS $$
BEGIN
    LOOP
        NEW.ciphertext_tag := ('x' || left(gen_random_uuid()::text, 8))::bit(32)::bigint;
        EXIT WHEN NEW.ciphertext_tag > 0
            AND NOT EXISTS (SELECT FROM {schema}.key_versions WHERE ciphertext_tag = NEW.ciphertext_tag);
    END LOOP;
    RETURN NEW;
END
$$
