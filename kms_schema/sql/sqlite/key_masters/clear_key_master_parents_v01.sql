UPDATE key_masters SET parent_key_id = NULL
