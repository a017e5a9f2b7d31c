"""The use of keys: their states, what is open in this process, counting, and entries about it."""
