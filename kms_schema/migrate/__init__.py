"""Run the revisions: one upgrade at a time, under time limits, with an error message that says what to do."""
