"""Verification of a trail, in one process or several."""
