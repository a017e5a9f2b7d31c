"""Ways to break the rules of keys and their parents in a database at 004: see `by_rule.py`."""

from support.concurrency.statements import adding, changing, kek, master, reparenting
from support.engines.database import Connection
from support.rows.smallest import active_key_master, now
from support.violations.violation import SQLITE, Broken, Make, Violation


def parent_is_gone(connection: Connection) -> Broken:
    del connection
    child = active_key_master(parent_key_id="nobody")
    fixing = changing("key_masters", child, parent_key_id=None)
    return Broken(adding("key_masters", child), fixing, [(child, child["key_id"])], "has the parent 'nobody', and")


def parent_is_a(key_type: str) -> Make:
    def make(connection: Connection) -> Broken:
        parent = master(connection, key_type=key_type)
        child = active_key_master(parent_key_id=parent["key_id"])
        fixing = changing("key_masters", child, parent_key_id=None)
        said = f"has the parent '{parent['key_id']}', a {key_type} key"
        return Broken(adding("key_masters", child), fixing, [(child, child["key_id"])], said)

    return make


def circle_of_parents(length: int) -> Make:
    """Close a circle, with keys that hang from it and keys in a chain of their own, which are in order."""

    def make(connection: Connection) -> Broken:
        chain = [kek(connection)]
        for _ in range(length - 1):
            chain.append(kek(connection, parent_key_id=chain[-1]["key_id"]))
        hanging = kek(connection, parent_key_id=chain[0]["key_id"])
        for above in (hanging, kek(connection, parent_key_id=kek(connection)["key_id"])):
            master(connection, parent_key_id=kek(connection, parent_key_id=above["key_id"])["key_id"])
        breaking = reparenting(chain[0], chain[-1])
        fixing = changing("key_masters", chain[0], parent_key_id=None)
        return Broken(breaking, fixing, [(key, key["key_id"]) for key in chain], f"in a circle of {length} keys")

    return make


def status_without_time(status: str, time: str) -> Make:
    def make(connection: Connection) -> Broken:
        del connection
        row = active_key_master(status=status, activated_at=None)
        fixing = changing("key_masters", row, **{time: now()})
        return Broken(adding("key_masters", row), fixing, [(row, row["key_id"])], f"is {status} and has no {time}")

    return make


VIOLATIONS_OF_KEYS = [
    Violation("fk_key_masters_parent_key_id_key_masters", "no such parent", parent_is_gone),
    *(Violation("validate_key_master_parent", f"a {kind}", parent_is_a(kind)) for kind in ("dek", "tls", "backup")),
    *(Violation("validate_key_master_parent", f"circle of {n}", circle_of_parents(n)) for n in (2, 3, 5)),
    *(
        Violation(f"ck_key_masters_{status}_has_{time}", "no time", status_without_time(status, time), SQLITE)
        for status, time in (
            ("active", "activated_at"),
            ("rotated", "rotated_at"),
            ("expired", "expired_at"),
            ("revoked", "revoked_at"),
            ("archived", "archived_at"),
        )
    ),
]
