"""The revisions of support/later, and what each revision of the package is held to."""
