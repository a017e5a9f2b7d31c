INSERT INTO temp.rules_that_rows_break SELECT DISTINCT rule FROM {found}
