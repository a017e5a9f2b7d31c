"""Retention: archives, tombstones, and the removal of expired entries."""
