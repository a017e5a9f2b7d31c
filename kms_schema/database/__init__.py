"""The database as a connection: its URL, locks, transactions, forks and plans."""
