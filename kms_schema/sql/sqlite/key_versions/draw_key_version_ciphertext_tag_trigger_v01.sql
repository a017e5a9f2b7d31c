-- Draws the tag with which the ciphertexts of a version begin: a random number that no version has. A BEFORE trigger
-- cannot set a column, so the row has 0 until its statement ends. random() and randomblob() have the same source, which
-- the operating system seeds. An UPDATE in a trigger inherits OR IGNORE and may have changed nothing, so the result is
-- checked.
CREATE TRIGGER draw_key_version_ciphertext_tag
AFTER UPDATE OF ciphertext_tag ON key_versions
WHEN NEW.ciphertext_tag = 0
BEGIN
    UPDATE key_versions SET ciphertext_tag = (
        WITH RECURSIVE drawn (tag) AS (
            SELECT random() & 4294967295
            UNION ALL
            SELECT random() & 4294967295 FROM drawn
            WHERE drawn.tag = 0 OR EXISTS (SELECT 1 FROM key_versions AS taken WHERE taken.ciphertext_tag = drawn.tag)
        )
        SELECT tag FROM drawn
        WHERE tag > 0 AND NOT EXISTS (SELECT 1 FROM key_versions AS taken WHERE taken.ciphertext_tag = drawn.tag)
    )
    WHERE id = NEW.id;
    SELECT RAISE(ABORT, 'ck_key_versions_ciphertext_tag_range: a version needs a tag from 1 to 4294967295')
    WHERE EXISTS (SELECT 1 FROM key_versions WHERE id = NEW.id AND ciphertext_tag = 0);
END
