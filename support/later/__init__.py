"""Revisions that only tests have, on top of head: what revisions after 1.0 will do to databases in use.

901 adds a column to a loaded table and an index on it, and makes a view, a materialized view, functions and triggers.
902 replaces each of them in use, rebuilds a table on SQLite, and counts the entries that are sealed already.

`package/` is laid over a copy of this repository, as a release after this one would be. There the tests take these
revisions for the package's own; `tests/migrations/later` runs those that each revision is held to.

    python -m support.later FOLDER                      make the copy, to look at it
    python -m support.later FOLDER --snapshots URL…     and write its snapshots: a server of each version
"""

from kms_schema.snapshots import chain

LAID_OVER = chain()[-1].startswith("9")
"""Whether this is the copy."""
