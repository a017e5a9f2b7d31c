"""The queries of an application, and a database for them.

`queries` has each query once, with the index that is meant for it; `filling` makes the rows, and `plans` says what the
engine did.
"""
