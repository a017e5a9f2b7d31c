"""Settings of a client that change how PostgreSQL renders values."""

RENDERING = {
    "DateStyle": "SQL, DMY", "IntervalStyle": "iso_8601", "TimeZone": "Asia/Kathmandu", "extra_float_digits": "-15",
    "bytea_output": "escape", "quote_all_identifiers": "on", "standard_conforming_strings": "off",
    "backslash_quote": "on", "transform_null_equals": "on", "array_nulls": "off", "xmloption": "document",
    "client_min_messages": "debug5", "search_path": "pg_temp, nowhere, public", "row_security": "off",
    "default_transaction_isolation": "serializable", "default_transaction_read_only": "on",
    "default_transaction_deferrable": "on", "client_encoding": "LATIN1", "jit_above_cost": "0",
}  # fmt: skip
