NOT EXISTS (
                    SELECT 1 FROM limits AS other WHERE other.key_type = found.key_type AND (
                        coalesce(found.rotated_at, found.activated_at) <= other.rotated_by
                        OR found.expires_at <= other.noticed OR EXISTS (
                            SELECT 1 FROM {schema}.key_versions AS live
                            WHERE live.key_id = found.id AND live.activated_at <= other.activated_by AND {part(live)}
                        )
                    )
                )
