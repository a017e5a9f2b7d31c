"""The validator among what is hostile to it: names, code, settings, locks, lost connections, migrations meanwhile."""
