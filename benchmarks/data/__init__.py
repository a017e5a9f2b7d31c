"""The rows of a database in use, from a seed: the same rows for the same seed and size, at the same ages.

`keys` has the keys, `rotations` their policies and rotations, `events` the audit log. `loading` writes them into a
database at 004, which has every table but no triggers that would record each row; the upgrade to head then checks all
of them.
"""
