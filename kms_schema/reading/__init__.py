"""Queries of the package on either engine: SQL in named files, and one dialect for each engine.

`queries` finds and renders the files, `dialects` has what the engines write differently, `reader` runs the queries on a
connection of psycopg or sqlite3, and `times` has the times of SQLite.
"""
