coalesce(master.key_id, CAST(version.key_id AS text)) || ' v' || CAST(version.version_number AS text)
    || ' (' || CAST(version.id AS text) || ')'
