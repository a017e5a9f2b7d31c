-- 0, the default, asks for a tag; see draw_key_version_ciphertext_tag.
CREATE TRIGGER draw_key_version_ciphertext_tag_insert
AFTER INSERT ON key_versions
WHEN NEW.ciphertext_tag = 0
BEGIN
    UPDATE key_versions SET ciphertext_tag = 0 WHERE id = NEW.id AND ciphertext_tag = 0;
END
