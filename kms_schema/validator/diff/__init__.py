"""Compares a database with a snapshot: differences, their findings and impact, from one stable read."""
