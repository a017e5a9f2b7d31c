"""Roots of trust: files, variables, tokens, clouds."""
