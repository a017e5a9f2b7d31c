"""Files that `keys encrypt` writes."""

TEXT = bytes(range(256)) * (10 * 1024)
"""2.5 MiB: three segments."""
NOT_OPEN = "was changed or is incomplete, or its key or associated data is another"
