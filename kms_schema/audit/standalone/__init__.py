"""A program of one file that checks proofs and archives without this package."""
