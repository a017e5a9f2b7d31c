"""The trail in SQLite."""
