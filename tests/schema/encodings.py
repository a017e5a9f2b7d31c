"""Encodings of SQLite databases, and bytes that are no UTF-8."""

NO_UTF8 = (
    "61ff", "80", "c3", "e282", "f09f98", "c0af", "e08080", "eda080", "f0808080", "f4908080", "fe", "c3a9a9", "80c3a9",
)  # fmt: skip
ENCODINGS = {"SQL_ASCII": r"E'a\xff'", "WIN1252": r"E'a\x81'"}
