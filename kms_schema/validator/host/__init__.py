"""The tables of a host: they are compared with a snapshot file or another database, by the same engine as ours.

`scope` says which objects are compared. `snapshots` has the expected objects, and reads and writes their file.
`comparison` compares a database with them. Our own tables are never part of it: the packaged snapshots have them.
"""
