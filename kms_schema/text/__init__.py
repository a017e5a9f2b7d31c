"""Texts: identifiers, what a terminal can show, durations, what both engines can store."""
