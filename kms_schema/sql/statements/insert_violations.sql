INSERT INTO {found} SELECT '{rule}', table_name, row_id, row_name, problem FROM (
{violating}
)
