"""Files that are read and written: bounded, whole, and closed to others where they hold secrets."""
