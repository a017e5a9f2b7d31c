"""Any text, also such as no encoding has."""

from hypothesis import strategies as st

ANY_TEXT = st.text(st.characters(categories=None, exclude_categories=()))
