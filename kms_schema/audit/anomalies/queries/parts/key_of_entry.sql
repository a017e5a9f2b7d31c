CASE WHEN known.form = 'key' THEN {json_id(entry.additional_metadata, id)}
                ELSE {json_id(entry.additional_metadata, key_id)} END
