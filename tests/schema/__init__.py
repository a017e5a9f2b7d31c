"""What the schema accepts, refuses, records and shows."""
