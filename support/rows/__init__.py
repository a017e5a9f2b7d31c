"""Rows of the tables: the smallest, usual ones, many, and all that a database holds."""
