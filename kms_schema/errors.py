"""The base class of the errors of this package."""


class KmsSchemaError(Exception):
    """The base class of every error that the package defines.

    An error that is also a `ValueError`, an `OSError` or a `CommandError` of Alembic derives from both. Wrong arguments
    of a call may raise `ValueError` and `TypeError` alone, and statements the errors of SQLAlchemy. Example::

        try:
            blob = ring.key("orders").encrypt(data, aad=aad)
        except KmsSchemaError as error:
            log.error("%s", error)
    """
