"""What becomes of a database whose migration is killed: `kill -9` of the client, termination of its server process.

`program` is the process that migrates; `wire` and `pipe` stop it after any of its statements, `session` kills it
there; `chains` has the runs that nobody disturbs, and what must come out of the others.
"""
