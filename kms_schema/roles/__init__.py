"""Least privilege on PostgreSQL: group roles, their privileges, and the SQL that grants them.

`definition` declares them, `statements` writes the SQL, `applying` runs it. The validator and the table in
docs/roles.md use the same definition.
"""
