"""The validator: what it finds, says and fixes."""
