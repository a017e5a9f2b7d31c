"""Event triggers that refuse DDL on the objects of the schema, also by the owner and superusers: PostgreSQL only.

`definition` declares them, `statements` writes their SQL, `applying` runs it, and the validator compares them.
`kms_schema.validator.protections` lists the protections in force and the open attacks.
"""
