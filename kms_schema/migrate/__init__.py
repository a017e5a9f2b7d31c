"""Running the revisions: one upgrade at a time, what it may hold up, and what it says when it cannot."""
