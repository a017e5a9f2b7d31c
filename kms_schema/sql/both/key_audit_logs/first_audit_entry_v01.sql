INSERT INTO {schema}.key_audit_logs
    (event_type, event_category, event_description, security_level, additional_metadata)
VALUES ('system_init', 'LIFECYCLE', 'The key-management schema was created', 'LOW', '{"revision": "004_create_key_management_system"}')
