"""The base class of the errors of this package."""


class KmsSchemaError(Exception):
    """The base class of every error that the package defines.

    An error that is also a `ValueError`, an `OSError` or a `CommandError` of Alembic derives from both. Wrong arguments
    of a call may raise `ValueError` and `TypeError` alone, and statements the errors of SQLAlchemy. Example::

        try:
            blob = ring.key("orders").encrypt(data, aad=aad)
        except KmsSchemaError as error:
            log.error("%s (%s)", error, error.reason or type(error).__name__)
    """

    reason: str | None = None
    """The case, of a class that has several: the page "errors" of the documentation lists them. Messages may change,
    reasons do not."""

    def __init__(self, *args: object, reason: str | None = None) -> None:
        """Take the message, and the reason of a class that has several."""
        super().__init__(*args)
        if reason is not None:
            self.reason = reason
