    SELECT count(*), string_agg(
        '{rule}: ' || table_name || ' ' || row_id || ' (' || row_name || ') ' || problem, E'\n' ORDER BY place
    ) FILTER (WHERE place <= {listed})
    INTO rule_rows, rule_first
    FROM (SELECT *, row_number() OVER (ORDER BY row_name, row_id) AS place FROM (
{violating}
    ) AS violating) AS numbered;
    IF rule_rows > 0 THEN
        all_rows := all_rows + rule_rows;
        all_rules := concat_ws(', ', all_rules, '{rule} (' || rule_rows || ')');
        all_first := concat_ws(E'\n', all_first, rule_first);
    END IF;
