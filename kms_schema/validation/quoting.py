"""Identifiers as a person would write them."""

import re


def quoted(name: str) -> str:
    """Quote an identifier where it needs quotes; key words are quoted by habit of the reader, not here."""
    return name if re.fullmatch(r"[a-z_][a-z0-9_]*", name) else '"' + name.replace('"', '""') + '"'
