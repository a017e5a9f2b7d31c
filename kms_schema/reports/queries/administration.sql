{part(entries_of_events, {administration_events})}
