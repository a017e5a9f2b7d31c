coalesce(CASE known.form
                WHEN 'retention' THEN {json_type(entry.additional_metadata, from)} = 'object'
                    OR {json_type(entry.additional_metadata, to)} = 'object'
                WHEN 'tombstone' THEN {is_count(entry.additional_metadata, leaf_count)}
                WHEN 'privileges' THEN {json_type(entry.additional_metadata, granted)} = 'array'
                    OR {json_type(entry.additional_metadata, event_triggers)} = 'array'
                ELSE {is_text(entry.additional_metadata, id)}
                    AND {json_type(entry.additional_metadata, changed)} = 'array'
            END, false)
