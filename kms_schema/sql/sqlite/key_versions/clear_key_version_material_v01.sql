UPDATE key_versions SET encrypted_key_data = NULL, wrapped_by_version_id = NULL, wrapping_key_ref = NULL
