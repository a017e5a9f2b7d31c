"""The functions of the package that an encryption enters: what a reader has to follow, and what each use costs.

Counted by the code objects that `sys.setprofile` reports, without comprehensions, which some versions of Python inline.
"""

import sys
from collections.abc import Callable
from pathlib import Path
from types import CodeType, FrameType
from typing import Any

import kms_schema
from kms_schema.keyring import KeyRing
from support.engines import Database
from support.rows.smallest import unique
from tests.keyring.conftest import MakeRing
from tests.keyring.rings import AAD, DATA

PACKAGE = str(Path(kms_schema.__file__).parent)
CACHED = 10
COLD, MODULES = {"postgresql": 90, "sqlite": 106}, {"postgresql": 25, "sqlite": 28}
"""A key under a KEK, whose state and material are read, in a ring that has connections.

On SQLite 17 functions more follow forks, and the transactions of the application that must not be waited for.
"""
LISTENERS = ("statement_checks.py", "ring_columns.py")
"""Modules whose listeners other tests of a process leave, and that are not counted."""


def entered(work: Callable[[], Any]) -> set[CodeType]:
    """Return the functions of the package that `work` enters, each once."""
    found: set[CodeType] = set()

    def note(frame: FrameType, event: str, _argument: Any) -> None:
        code = frame.f_code
        is_ours = code.co_filename.startswith(PACKAGE) and not code.co_filename.endswith(LISTENERS)
        if event == "call" and is_ours and not code.co_name.endswith(("comp>", "expr>")):
            found.add(code)

    before = sys.getprofile()
    sys.setprofile(note)
    try:
        work()
    finally:
        sys.setprofile(before)
    return found


def test_an_encryption_enters_few_functions(
    database: Database, ring: KeyRing, kek: str, orders: str, make_ring: MakeRing
) -> None:
    cold = [unique("cold") for _ in range(3)]
    for key_id in cold:
        ring.create(key_id, under=kek)
    own = make_ring()
    for _ in range(20):  # blocks of uses grow: the last ones are reserved
        own.key(orders).encrypt(DATA, aad=AAD)
    cached = own.key(orders)
    found = [entered(lambda: cached.encrypt(DATA, aad=AAD)) for _ in range(3)]
    assert min(map(len, found)) <= CACHED
    # The first of a process also reads the statements from their files.
    opened = [own.key(key_id) for key_id in cold]
    first = min((entered(lambda key=key: key.encrypt(DATA, aad=AAD)) for key in opened), key=len)
    assert len(first) <= COLD[database.dialect]
    assert len({code.co_filename for code in first}) <= MODULES[database.dialect]
