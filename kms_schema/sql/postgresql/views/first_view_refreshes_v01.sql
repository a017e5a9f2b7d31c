INSERT INTO {schema}.key_view_refreshes (view_name)
VALUES ('key_management_dashboard'), ('key_health_monitor')
