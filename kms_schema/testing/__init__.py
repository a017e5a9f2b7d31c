"""Suites that implementations of others run in their tests."""
