{part(entries_of_events, {uses_events})}
