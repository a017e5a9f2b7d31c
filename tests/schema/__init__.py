"""Tests of the rules, the recorded entries and the views of the schema."""
