CREATE TRIGGER validate_key_version_material
BEFORE INSERT OR UPDATE OF
    encrypted_key_data, key_checksum, encryption_metadata, wrapped_by_version_id, wrapping_key_ref,
    hsm_key_id, destroyed_at
ON {schema}.key_versions
FOR EACH ROW EXECUTE FUNCTION {schema}.validate_key_version_material()
