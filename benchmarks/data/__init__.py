"""What a database in use has in it, from a seed: the same rows for the same seed and size, at the same ages.

`keys` has the registry, `rotations` its policies and their work, `events` the audit trail. `loading` puts them into a
database at 004, which has every table and no trigger that would take each row for news; the upgrade to head then looks
at all of them.
"""
