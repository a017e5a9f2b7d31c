SELECT EXISTS (SELECT FROM pg_catalog.pg_event_trigger WHERE evtname = ANY (:names) AND evtenabled <> 'D')
