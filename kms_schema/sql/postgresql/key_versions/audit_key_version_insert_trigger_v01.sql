-- Derived from the models by tools/derived_sql.py.
CREATE TRIGGER audit_key_version_insert
AFTER INSERT ON {schema}.key_versions REFERENCING NEW TABLE AS inserted
FOR EACH STATEMENT EXECUTE FUNCTION {schema}.audit_key_insert(
    'VERSION', 'LIFECYCLE',
    '{version_number, wrapped_by_version_id, wrapping_key_ref, hsm_key_id, activated_at, deactivated_at, destroyed_at,
     ciphertext_tag}',
    '{encrypted_key_data, key_checksum, encryption_metadata}'
)
