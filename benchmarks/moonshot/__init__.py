"""A key from "due" to "old version destroyed", while an application reads and writes, and commands are killed.

`application` has the table, `processes` starts and kills processes, `clients` are readers and writers, `journey` is the
order of events and its result, `command` the command line.
"""
