SELECT id, {clock()} AS now, {part(window)}
FROM {schema}.rotation_policies AS policy WHERE rotation_window_start IS NOT NULL
