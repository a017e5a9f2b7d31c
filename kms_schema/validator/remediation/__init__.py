"""Writes the SQL that fixes a finding."""
