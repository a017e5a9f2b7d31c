-- 0, the default, asks for a tag; the CHECK refuses it otherwise.
CREATE TRIGGER draw_key_version_ciphertext_tag
BEFORE INSERT ON {schema}.key_versions
FOR EACH ROW WHEN (NEW.ciphertext_tag = 0)
EXECUTE FUNCTION {schema}.draw_key_version_ciphertext_tag()
