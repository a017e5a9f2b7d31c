"""Columns of applications: a type that encrypts itself, and what keeps, counts and re-encrypts their ciphertexts."""
