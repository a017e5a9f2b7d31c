SELECT rule, table_name, row_id, row_name, problem FROM (
    SELECT *, row_number() OVER (PARTITION BY rule ORDER BY row_name, row_id) AS place
    FROM {found}
) WHERE place <= {listed} ORDER BY rule, place
