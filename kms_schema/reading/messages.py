"""The messages of errors of the drivers."""


def driver_message(error: BaseException) -> str:
    """Return the message of an error without its context, which can have values; that of psycopg is the server's.

    driver_message(sqlite3.OperationalError("no such table: main.key_masters"))
    """
    primary = getattr(getattr(error, "diag", None), "message_primary", None)
    return str(primary or error)
