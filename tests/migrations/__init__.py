"""The revisions, and what runs them: on databases in use, in hosts, interrupted."""
