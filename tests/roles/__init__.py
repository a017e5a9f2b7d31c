"""Tests of the group roles: what each may do is asked of real servers."""
