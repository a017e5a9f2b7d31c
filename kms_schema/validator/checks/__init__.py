"""Reads what no snapshot has: rows, evidence, roles, protections, and the revision."""
