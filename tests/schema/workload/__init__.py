"""What an application asks of the database, as it asks, and a database to ask it of.

`queries` has each query once, with the index that is meant for it; `filling` makes the rows, and `plans` says what the
engine did.
"""
