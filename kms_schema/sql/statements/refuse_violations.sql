DO $upgrade$
DECLARE
    rule_rows bigint;
    rule_first text;
    all_rows bigint := 0;
    all_rules text;
    all_first text;
BEGIN
{counts}
    IF all_rows > 0 THEN
        RAISE EXCEPTION USING
            ERRCODE = 'integrity_constraint_violation',
            MESSAGE = CASE all_rows WHEN 1 THEN '1 row violates a rule' ELSE all_rows || ' rows violate rules' END
                || ' of revision {revision}, and nothing was changed: ' || all_rules,
            DETAIL = all_first,
            HINT = 'Fix these rows (the page "rules" of the documentation describes the rules), then run the script again.';
    END IF;
END
$upgrade$
