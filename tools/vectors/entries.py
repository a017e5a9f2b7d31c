"""Entries with their bytes and hashes, for other implementations of the encoding.

The tests insert each entry into real databases, and require the same bytes from PostgreSQL.
"""

import json
import uuid
from pathlib import Path
from typing import TypedDict

from kms_schema.audit.formats.encoding import TAG, Value, entry_from_columns, leaf_hash

FILE = Path(__file__).parents[2] / "kms_schema" / "audit" / "vectors.json"

KEY = "0193a5b2-7c10-7000-8000-0000000000aa"
"""The key that the entries with a `key_id` are about."""

BOTH = ["postgresql", "sqlite"]


class Vector(TypedDict):
    """One entry: its columns, the engines that can hold it, its bytes and its leaf hash (both hexadecimal)."""

    name: str
    engines: list[str]
    columns: dict[str, Value]
    entry: str
    leaf_hash: str


_PLAIN: dict[str, Value] = {
    "key_id": None,
    "event_type": "system_init",
    "event_category": "LIFECYCLE",
    "event_description": "the schema was made",
    "user_id": None,
    "session_id": None,
    "client_ip": None,
    "user_agent": None,
    "timestamp": "2026-11-25T12:00:00.000000Z",
    "duration_ms": None,
    "security_level": "LOW",
    "risk_score": None,
    "compliance_tags": None,
    "retention_period_days": 2555,
    "recorded_by": "kms_owner",
    "additional_metadata": None,
}

_EXAMPLES: dict[str, tuple[list[str], dict[str, Value]]] = {
    "NULL wherever a column may be": (BOTH, {}),
    "every column has a value": (
        BOTH,
        {
            "key_id": KEY,
            "event_type": "KEY_ROTATED",
            "event_category": "SECURITY",
            "event_description": "version 2 replaces version 1",
            "user_id": "alice",
            "session_id": "5d0c",
            "client_ip": "2001:db8::1",
            "user_agent": "kms-client/1.0",
            "timestamp": "2026-11-25T12:34:56.789012Z",
            "duration_ms": 1500,
            "security_level": "CRITICAL",
            "risk_score": 70,
            "compliance_tags": '["PCI-DSS", "SOX"]',
            "additional_metadata": '{"by": "policy", "version": 2}',
        },
    ),
    "empty texts are not NULL": (
        BOTH,
        {
            "event_description": "",
            "user_id": "",
            "session_id": "",
            "client_ip": "",
            "user_agent": "",
            "recorded_by": "",
            "compliance_tags": "[]",
            "additional_metadata": "{}",
        },
    ),
    "text beyond ASCII and beyond the basic plane": (
        BOTH,
        {
            "event_description": "Schlüssel 鍵 \U0001f511 e\u0301 \u00e9 \u202e\ufeff line\nline\ttab \\ \" '",
            "user_id": "\U00010000\U0010ffff",
            "compliance_tags": '["\U0001f511", "\\u0001", "a\\"b\\\\c"]',
            "additional_metadata": '{"é": "\\n", "鍵": null}',
        },
    ),
    "the least numbers, and the first time": (
        BOTH,
        {
            "timestamp": "0001-01-01T00:00:00.000000Z",
            "duration_ms": 0,
            "risk_score": 0,
            "retention_period_days": 1,
        },
    ),
    "the greatest numbers, and the last time": (
        BOTH,
        {
            "sequence": 2**63 - 1,
            "timestamp": "9999-12-31T23:59:59.999999Z",
            "duration_ms": 2**63 - 1,
            "risk_score": 100,
            "retention_period_days": 36500,
        },
    ),
    "one microsecond before PostgreSQL counts from zero": (BOTH, {"timestamp": "1999-12-31T23:59:59.999999Z"}),
    "numbers in JSON": (BOTH, {"additional_metadata": '{"n": [1.50, 0.0, 123456789012345678901234567890]}'}),
    "JSON as SQLite stores it: the text as it came": (
        ["sqlite"],
        {"compliance_tags": '["b","a" ]', "additional_metadata": '{"b":1, "a":1e3,"b":2}'},
    ),
    "a time that no text of this form says: infinity": (["postgresql"], {"timestamp": 2**63 - 1}),
    "a time before the year 1": (["postgresql"], {"timestamp": -211810204800000000}),
}


def vectors() -> list[Vector]:
    """Return the examples with their bytes as `kms_schema.audit.formats.encoding` makes them."""
    made: list[Vector] = []
    for number, (name, (engines, special)) in enumerate(_EXAMPLES.items(), 1):
        given: dict[str, Value] = {"id": str(uuid.UUID(int=_FIRST_ID + number)), "sequence": 1000 + number}
        columns = given | _PLAIN | special
        entry = entry_from_columns(columns)
        made.append(
            {
                "name": name,
                "engines": engines,
                "columns": columns,
                "entry": entry.hex(),
                "leaf_hash": leaf_hash(entry).hex(),
            }
        )
    return made


_FIRST_ID = uuid.UUID("0193a5b2-7c10-7000-8000-000000000000").int


def text() -> str:
    """Return what `vectors.json` holds. ASCII, so that no tool on the way changes a text."""
    return json.dumps({"encoding": TAG.decode(), "entries": vectors()}, indent=2) + "\n"
