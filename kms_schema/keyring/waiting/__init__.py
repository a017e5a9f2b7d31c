"""How a ring waits, and what works beside it: in threads, or in tasks of an event loop."""
