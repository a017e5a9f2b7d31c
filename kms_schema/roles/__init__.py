"""Least privilege on PostgreSQL: group roles, their privileges, and the SQL that grants them.

`definition` declares them, `statements` writes the SQL, `applying` runs it. The validator and the table in
the page "roles" of the documentation use the same definition.
"""
