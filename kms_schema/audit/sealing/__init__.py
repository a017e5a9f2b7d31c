"""Sealing: which entries are committed, and the seals over them."""
