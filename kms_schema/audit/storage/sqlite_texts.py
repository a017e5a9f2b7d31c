"""Texts of SQLite, which stores any bytes as TEXT."""


def text_as_stored(stored: bytes) -> str:
    """Return a TEXT value that may not be valid UTF-8: the `text_factory` of connections that read the trail.

    An invalid byte becomes a lone surrogate, which `entry_from_row` writes as that byte again. Otherwise one damaged
    text would make the whole trail unreadable.
    """
    return stored.decode(errors="surrogateescape")
