"""What the event triggers cost a host's own DDL, measured.

    python -m tests.hardening.cost postgresql://postgres@127.0.0.1/migrated

The database is one at the newest revision that may be changed; the URL is a superuser's. Prints for each pair of
statements how long one takes, without and with the event triggers: the quickest of many, in several rounds in turn,
which says what the server does also where others keep it busy.
"""

import sys
import time
from contextlib import closing

import psycopg

from kms_schema.hardening.applying import apply, remove

PAIRS = {
    "CREATE and DROP of a temporary table": ("CREATE TEMPORARY TABLE cost_t (id integer)", "DROP TABLE cost_t"),
    "ALTER TABLE": ("ALTER TABLE cost ALTER id SET DEFAULT 1", "ALTER TABLE cost ALTER id DROP DEFAULT"),
    "CREATE and DROP INDEX": ("CREATE INDEX cost_i ON cost (id)", "DROP INDEX cost_i"),
    "CREATE and DROP FUNCTION": (
        "CREATE FUNCTION cost_f() RETURNS integer LANGUAGE sql AS 'SELECT 1'",
        "DROP FUNCTION cost_f()",
    ),
    "CREATE and DROP RULE of a host's role": (
        "SET ROLE cost_host; CREATE RULE r AS ON INSERT TO cost_own DO NOTHING; RESET ROLE",
        "SET ROLE cost_host; DROP RULE r ON cost_own; RESET ROLE",
    ),
    "GRANT and REVOKE": ("GRANT SELECT ON cost TO pg_monitor", "REVOKE SELECT ON cost FROM pg_monitor"),
}
ROUNDS, TIMES = 3, 300


def measured(connection: psycopg.Connection, pair: tuple[str, str]) -> float:
    """Return what a statement takes at best, in milliseconds."""
    seconds = []
    for _ in range(TIMES):
        began = time.perf_counter()
        for statement in pair:
            connection.execute(statement.encode())
        seconds.append((time.perf_counter() - began) / len(pair))
    return min(seconds) * 1000


def main(url: str) -> None:
    """Measure in turn, and print."""
    best: dict[tuple[str, bool], float] = {}
    with closing(psycopg.connect(url, autocommit=True)) as connection:
        connection.execute("SET synchronous_commit = off")
        connection.execute("CREATE TABLE cost (id integer)")
        connection.execute(
            "CREATE ROLE cost_host; CREATE TABLE cost_own (id integer); ALTER TABLE cost_own OWNER TO cost_host"
        )
        for _ in range(ROUNDS):
            for hardened in (False, True):
                (apply if hardened else remove)(connection)
                for name, pair in PAIRS.items():
                    key = (name, hardened)
                    best[key] = min(best.get(key, float("inf")), measured(connection, pair))
        remove(connection)
        connection.execute("DROP TABLE cost, cost_own; DROP ROLE cost_host")
    for name in PAIRS:
        plain, hardened = best[name, False], best[name, True]
        print(f"{name:40} {plain:.2f} ms, {hardened:.2f} ms hardened: {hardened - plain:+.2f} ms")


if __name__ == "__main__":
    main(sys.argv[1])
