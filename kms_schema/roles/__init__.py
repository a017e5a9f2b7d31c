"""Least privilege on PostgreSQL: group roles, what each may do, and the SQL that makes it so.

`definition` says it once; `statements` makes SQL of it, `applying` runs that, the validator expects it, and the table
in docs/roles.md is written from it.
"""
