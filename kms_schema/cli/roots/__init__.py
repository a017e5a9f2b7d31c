"""`kms-schema roots`: check root keys at a new place, and create them in tokens."""

import click

from kms_schema.cli.lazy_group import Lazy, LazyGroup

IN_PROGRAM = {
    "rewrap": Lazy("kms_schema.cli.roots.rewrap:rewrap_command", "Rewrap what one key wraps with another key"),
    "roots": Lazy("kms_schema.cli.roots:roots", "Check and create root keys"),
}
_COMMANDS = {
    "check": Lazy("kms_schema.cli.roots.checking:check_command", "Open every row under root keys"),
    "create": Lazy("kms_schema.cli.roots.creating:create_command", "Create a root key in a PKCS#11 token"),
}


@click.group("roots", cls=LazyGroup, lazy=_COMMANDS, words=["roots"])
def roots() -> None:
    """Check root keys before an application uses them at a new place, and create them in tokens.

    A root key is outside of the database: in a file, a variable, a PKCS#11 token or AWS KMS. The database has only its
    name.
    """
