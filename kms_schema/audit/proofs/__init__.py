"""Proofs from the database."""
