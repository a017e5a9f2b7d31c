"""Audit entries that are written during measurements: the same each time, except for values that the database sets."""

from support.engines.database import Connection
from support.statements import dialect_of, execute

KEYS = 1_000
_NUMBERS = {
    "postgresql": "SELECT n FROM generate_series(1, {count}) AS n",
    "sqlite": (
        "WITH RECURSIVE numbered (n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM numbered WHERE n < {count})"
        " SELECT n FROM numbered"
    ),
}
_KEY = {
    "postgresql": (
        "INSERT INTO key_masters (key_id, key_type, algorithm, key_size_bits)"
        " SELECT 'dek-' || n, 'dek', 'AES-256-GCM', 256 FROM ({numbers}) AS numbered"
    ),
    "sqlite": (
        "INSERT INTO key_masters (id, key_id, key_type, algorithm, key_size_bits)"
        " SELECT printf('%032x', n), 'dek-' || n, 'dek', 'AES-256-GCM', 256 FROM ({numbers}) AS numbered"
    ),
}
COLUMNS = (
    "key_id, event_type, event_category, event_description, user_id, session_id, client_ip, duration_ms,"
    " security_level, risk_score, additional_metadata"
)
_METADATA = {
    "postgresql": "jsonb_build_object('bytes', n % 65536, 'request', n)",
    "sqlite": "json_object('bytes', n % 65536, 'request', n)",
}
VALUES = (
    "CASE n % 3 WHEN 0 THEN 'DECRYPT' WHEN 1 THEN 'ENCRYPT' ELSE 'SIGN' END, 'SECURITY',"
    " 'a key was used by the payment service', 'user-' || n % 5000, 'session-' || (100000 + n / 100),"
    " '10.0.0.' || n % 250, n % 50, CASE WHEN n % 20 = 0 THEN 'HIGH' ELSE 'LOW' END, n % 100, {metadata}"
)
"""The values of entry number `n`, without its key: uses of keys by an application, 320 bytes each."""


def add_keys(connection: Connection) -> None:
    """Create the keys of the entries."""
    dialect = dialect_of(connection)
    execute(connection, _KEY[dialect].format(numbers=_NUMBERS[dialect].format(count=KEYS)))


def entries(connection: Connection, count: int, table: str = "key_audit_logs") -> str:
    """Return the statement that adds a number of entries, over the first keys."""
    dialect = dialect_of(connection)
    numbers = _NUMBERS[dialect].format(count=count)
    keys = f"SELECT id FROM key_masters ORDER BY key_id LIMIT {KEYS}"
    places = f"SELECT id, row_number() OVER () - 1 AS place, count(*) OVER () AS total FROM ({keys}) AS chosen"
    # In the order of n, as they would come; what sorts them takes a part of the time in every table alike.
    return (
        f"INSERT INTO {table} ({COLUMNS}) SELECT keys.id, {VALUES.format(metadata=_METADATA[dialect])}"
        f" FROM ({numbers}) AS numbered JOIN ({places}) AS keys ON keys.place = n % keys.total"
    )
