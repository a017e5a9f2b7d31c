"""The database of a ring: its connections and statements, and the transactions of applications on SQLite."""
