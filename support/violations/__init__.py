"""Rows and changes that the schema refuses, and ways past what refuses them."""
