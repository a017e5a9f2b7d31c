SELECT coalesce(jsonb_agg(jsonb_build_array(
           e.evtname, e.evtevent, e.evtenabled, e.evttags, e.evtfoid::regprocedure, pg_get_userbyid(e.evtowner), f.prosrc, f.proconfig,
           f.prosecdef, pg_get_userbyid(f.proowner), f.proacl::text[], pg_get_userbyid(n.nspowner), n.nspacl::text[]
       ) ORDER BY e.evtname), '[]')
FROM pg_event_trigger e JOIN pg_proc f ON f.oid = e.evtfoid JOIN pg_namespace n ON n.oid = f.pronamespace
WHERE e.evtname = ANY ({names})
