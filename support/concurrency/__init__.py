"""Statements of several sessions, and who waits for whom."""
