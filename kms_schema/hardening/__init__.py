"""Event triggers that refuse DDL on the package's objects, the owner's and a superuser's too: PostgreSQL alone.

`definition` says which they are and what they are for, `statements` makes SQL of it, `applying` runs that, the
validator expects it, and `protections` says which protections are in force on a database and what stays open.
"""
