INSERT INTO temp.violated_rules SELECT DISTINCT rule FROM {found}
