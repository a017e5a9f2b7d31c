{part(entries_of_events, {exports_events})}
