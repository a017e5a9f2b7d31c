SELECT view_name, refreshed_at FROM {schema}.key_view_refreshes
