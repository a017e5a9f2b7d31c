"""The messages of errors of the drivers."""


def driver_message(error: BaseException) -> str:
    """Return the message of an error in one line, without its context, which can have values.

    - `error`: of psycopg, sqlite3 or SQLAlchemy, which has that of the driver as `orig`

    driver_message(sqlite3.OperationalError("no such table: main.key_masters"))
    """
    found = getattr(error, "orig", None) or error
    diagnostic = getattr(found, "diag", None)
    return " ".join(str(getattr(diagnostic, "message_primary", None) or found).split())
