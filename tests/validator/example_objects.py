"""Objects of an example schema, and changes of them."""

from typing import Any

from kms_schema.snapshots import Objects
from kms_schema.validator.diff.compare import Kind, compare


def schema() -> Objects:
    """A table with two columns, a constraint with its index, a trigger, and a view that reads the table."""
    on_keys = {"table": "keys", "needs": ["table keys"]}
    return {
        "function guard()": {"body": "RETURN NEW", "owner": "me"},
        "table keys": {"columns": ["id", "status"], "owner": "me", "persistence": "permanent"},
        "column keys.id": {**on_keys, "type": "uuid", "nullable": False},
        "column keys.status": {**on_keys, "type": "text", "nullable": False},
        "constraint keys.pk": {"table": "keys", "needs": ["column keys.id"], "definition": "PRIMARY KEY (id)"},
        "index pk": {"table": "keys", "needs": ["constraint keys.pk"], "definition": "UNIQUE INDEX {name} (id)"},
        "trigger keys.guard": {
            "table": "keys",
            "needs": ["function guard()", "table keys"],
            "definition": "CREATE TRIGGER {name}",
            "enabled": "ALWAYS",
        },
        "view due": {"definition": "SELECT status FROM keys", "needs": ["column keys.status"], "owner": "me"},
    }


def differences(actual: Objects) -> list[tuple[str, Kind]]:
    return [(difference.key, difference.kind) for difference in compare(schema(), actual)]


def changed(key: str, **facts: Any) -> Objects:
    actual = schema()
    actual[key] = {**actual[key], **facts}
    return actual


def without(*keys: str) -> Objects:
    return {key: facts for key, facts in schema().items() if key not in keys}
