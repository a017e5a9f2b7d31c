"""Audit entries for measurements: the same ones each time, but for what the server sets."""

# ruff: noqa: S608  (numbers and names of this module)

from benchmarks.targets import Options, Scale
from kms_schema.audit import open_trail, seal
from tests.engines.database import Connection
from tests.statements import dialect_of, execute

ENTRIES: dict[Scale, int] = {"small": 100_000, "medium": 1_000_000, "full": 10_000_000}
KEYS = 1_000
BATCH = 200_000
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
"""What entry number `n` says, after its key: uses of keys by an application, 320 bytes each."""


def add_keys(connection: Connection) -> None:
    """Make the keys that entries are about."""
    dialect = dialect_of(connection)
    execute(connection, _KEY[dialect].format(numbers=_NUMBERS[dialect].format(count=KEYS)))


def entries(connection: Connection, count: int, table: str = "key_audit_logs") -> str:
    """Return the statement that adds so many entries."""
    dialect = dialect_of(connection)
    numbers = _NUMBERS[dialect].format(count=count)
    keys = "SELECT id, row_number() OVER (ORDER BY key_id) AS number FROM key_masters"
    # In the order of n, as they would come; what sorts them takes a part of the time in every table alike.
    return (
        f"INSERT INTO {table} ({COLUMNS}) SELECT keys.id, {VALUES.format(metadata=_METADATA[dialect])}"
        f" FROM ({numbers}) AS numbered JOIN ({keys}) AS keys ON keys.number = n % {KEYS} + 1"
    )


def fill(connection: Connection, count: int) -> None:
    """Add entries, and seal them all."""
    for begun in range(0, count, BATCH):
        execute(connection, entries(connection, min(BATCH, count - begun)))
    for _ in seal(open_trail(connection)):
        pass
    if dialect_of(connection) == "postgresql":
        execute(connection, "VACUUM ANALYZE")


def history(options: Options) -> int:
    """Return how many entries there are at a scale."""
    return ENTRIES[options.scale]
