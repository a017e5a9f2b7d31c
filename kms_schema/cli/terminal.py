"""The width of the terminal that shows a stream."""

import os
import sys
from typing import TextIO


def width(stream: TextIO | None = None) -> int | None:
    """Return the columns of the terminal that shows a stream, standard output by default; None if no terminal does.

    `COLUMNS` has precedence, as for other programs. 80 where the terminal does not say.
    """
    stream = stream or sys.stdout
    if not stream.isatty():
        return None
    given = os.environ.get("COLUMNS", "")
    if given.isdecimal() and int(given):
        return int(given)
    try:
        return os.get_terminal_size(stream.fileno()).columns or 80
    except (OSError, ValueError):
        return 80
