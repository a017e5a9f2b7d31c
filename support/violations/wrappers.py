"""Ways to break the rules of wrapping in a database at 004: see `by_rule.py`."""

import uuid
from typing import Any

from support.concurrency.statements import adding, changing, destroying, kek, master, rewrapping
from support.engines.database import Connection
from support.rows.smallest import Row, active_key_master, hsm_key_master, insert, key_version
from support.violations.versions import wrapping
from support.violations.violation import FIRST, SECOND, Broken, Make, Violation


def wrapper_is_gone(connection: Connection) -> Broken:
    key = master(connection)
    row = key_version(key, wrapped_by_version_id=uuid.uuid4())
    fixing = changing("key_versions", row, wrapped_by_version_id=None, wrapping_key_ref="kms://root")
    return Broken(adding("key_versions", row), fixing, [(row, f"{key['key_id']} v1")], "there is no such version")


def wrapper_is_a(key_type: str) -> Make:
    def make(connection: Connection) -> Broken:
        kind = hsm_key_master() if key_type == "hsm" else active_key_master(key_type=key_type)
        wrapper, name = wrapping(connection, insert(connection, "key_masters", **kind))
        return _wrapped(master(connection), wrapper, f"is wrapped by {name}, a version of a {key_type} key")

    return make


def wrapper_is_of_the_same_key(connection: Connection) -> Broken:
    key = kek(connection)
    wrapper, name = wrapping(connection, key)
    return _wrapped(key, wrapper, f"is wrapped by {name}, a version of the same key", version_number=2)


def wrapper_is_destroyed(connection: Connection) -> Broken:
    history = {"destroyed_at": SECOND, "encrypted_key_data": None, "wrapping_key_ref": None}
    wrapper, name = wrapping(connection, **history)
    return _wrapped(master(connection), wrapper, f"is wrapped by {name}, which was destroyed at 2024-02-01")


def _wrapped(key: Row, wrapper: Row, says: str, **over: Any) -> Broken:
    row = key_version(key, created_at=FIRST, wrapped_by_version_id=wrapper["id"], **over)
    fixing = changing("key_versions", row, wrapped_by_version_id=None, wrapping_key_ref="kms://root")
    name = f"{key['key_id']} v{row['version_number']}"
    return Broken(adding("key_versions", row), fixing, [(row, name)], says)


def history_names_a_dek(connection: Connection) -> Broken:
    key, (wrapper, name) = master(connection), wrapping(connection, master(connection))
    row = key_version(key, created_at=FIRST, destroyed_at=SECOND, wrapped_by_version_id=wrapper["id"])
    row["encrypted_key_data"] = None
    fixing = changing("key_versions", row, wrapped_by_version_id=None)
    said = f"is wrapped by {name}, a version of a dek key"
    return Broken(adding("key_versions", row), fixing, [(row, f"{key['key_id']} v1")], said)


def wrapper_gets_destroyed(connection: Connection) -> Broken:
    wrapper, name = wrapping(connection)
    row, wrapped = wrapping(connection, master(connection), wrapped_by_version_id=wrapper["id"])
    fixing = changing("key_versions", row, wrapped_by_version_id=None, wrapping_key_ref="kms://root")
    return Broken(destroying(wrapper), fixing, [(row, wrapped)], f"is wrapped by {name}, which was destroyed at")


def wrapped_by_itself(connection: Connection) -> Broken:
    row, name = wrapping(connection)
    fixing = changing("key_versions", row, wrapped_by_version_id=None, wrapping_key_ref="kms://root")
    return Broken(rewrapping(row, row), fixing, [(row, name)], f"is wrapped by {name}, itself")


def circle_of_wrappers(length: int) -> Make:
    """Close a circle, with versions that hang from it and versions in a chain of their own, which are in order."""

    def make(connection: Connection) -> Broken:
        chain = [wrapping(connection)]
        for _ in range(length - 1):
            chain.append(wrapping(connection, wrapped_by_version_id=chain[-1][0]["id"]))
        hanging, _ = wrapping(connection, wrapped_by_version_id=chain[0][0]["id"])
        alone, _ = wrapping(connection, wrapped_by_version_id=wrapping(connection)[0]["id"])
        for above in (hanging, alone):
            below, _ = wrapping(connection, wrapped_by_version_id=above["id"])
            wrapping(connection, master(connection), wrapped_by_version_id=below["id"])
        top = chain[0][0]
        fixing = changing("key_versions", top, wrapped_by_version_id=None, wrapping_key_ref="kms://root")
        return Broken(rewrapping(top, chain[-1][0]), fixing, chain, f"in a circle of {length} versions")

    return make


WRAPPER = "validate_key_version_wrapper"
VIOLATIONS_OF_WRAPPERS = [
    Violation("fk_key_versions_wrapped_by_version_id_key_versions", "no such version", wrapper_is_gone),
    *(Violation(WRAPPER, f"of a {kind}", wrapper_is_a(kind)) for kind in ("dek", "hsm")),
    Violation(WRAPPER, "of the same key", wrapper_is_of_the_same_key),
    Violation(WRAPPER, "itself", wrapped_by_itself),
    Violation(WRAPPER, "destroyed", wrapper_is_destroyed),
    Violation(WRAPPER, "of a dek in history", history_names_a_dek),
    Violation(WRAPPER, "is destroyed", wrapper_gets_destroyed, refused_by="prevent_key_version_destruction"),
    *(Violation(WRAPPER, f"circle of {n}", circle_of_wrappers(n)) for n in (2, 3, 5)),
]
