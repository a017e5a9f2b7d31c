"""The validator for the tables of an application: a file or a database says what is expected."""
