-- Functions.
SELECT 'function ' || f.proname || '(' || pg_get_function_identity_arguments(f.oid) || ')' AS key,
    f.oid::regprocedure::text AS name, quote_ident(f.proname) AS plain, f.proname AS bare, pg_get_function_result(f.oid) AS returns,
    f.pronargs = 0 AS no_arguments,
    -- 13 leaves out what later versions write before the arguments of procedures.
    CASE WHEN current_setting('server_version_num')::integer >= 140000 THEN 'IN ' ELSE '' END AS procedure_in,
    pg_get_functiondef(f.oid) AS definition, f.provolatile AS volatility,
    f.prosecdef AS definer, f.proisstrict AS strict, f.proparallel AS parallel, f.proleakproof AS leakproof,
    f.proconfig IS NOT NULL AS settings, f.prorettype = 'trigger'::regtype AS of_trigger, f.proretset AS returns_set,
    f.proacl IS NULL OR f.proacl::text ~ '[{,]=X' AS open,
    EXISTS (SELECT FROM pg_depend d WHERE d.refobjid = f.oid AND d.deptype <> 'i') AS needed
FROM pg_proc f WHERE f.pronamespace = 'public'::regnamespace
