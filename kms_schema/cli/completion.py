"""Values for shell completion, read without a database and without Alembic."""

import click


def revisions(_context: click.Context, _parameter: click.Parameter, begun: str) -> list[str]:
    """Return the revisions that begin as typed, and `head` and `base`; after `FROM:` those of the end of a range."""
    from kms_schema import snapshots

    before, colon, last = begun.rpartition(":")
    return [f"{before}{colon}{name}" for name in ("base", "head", *snapshots.chain()) if name.startswith(last)]


def rule_codes(_context: click.Context, _parameter: click.Parameter, begun: str) -> list[str]:
    """Return the codes of the validator that begin as typed; after a comma those that are not in the list yet."""
    from kms_schema import validator

    before, comma, last = begun.rpartition(",")
    given = before.split(",")
    return [f"{before}{comma}{code}" for code in validator.RULES if code.startswith(last) and code not in given]
