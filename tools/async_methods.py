"""Write the methods of the asynchronous ring that only await those of `KeyRing`, from their signatures and docstrings.

python -m tools.async_methods    # writes kms_schema/keyring/asynchronous/ring_methods.py
"""

import ast
import re
import textwrap
from pathlib import Path

_KEYRING = Path(__file__).parents[1] / "kms_schema" / "keyring"
FILE = _KEYRING / "asynchronous" / "ring_methods.py"
_SOURCES = ("ring.py", "operations.py")
"""The modules with the methods of `KeyRing`: read, and not imported, since they need what is written here."""
_WIDTH = 120

_OTHERWISE = {"attach", "key", "close"}
"""Methods that are not like those of `KeyRing`: `AsyncKeyRing` has them."""
_DECORATORS = {
    "create": "to_its_end", "destroy_version": "to_its_end", "rotate": "to_its_end", "run_rotations": "in_thread"
}  # fmt: skip
"""How a method is called, if not in a greenlet: those that may call an HSM, and those of a ring in a thread."""
_NOTES = {
    "reencrypt_column": "Other tasks run while the database answers; `progress` is called in the event loop.",
    "run_rotations": (
        "It runs in a thread, with a synchronous ring of its own on the same database; `report` is called in that"
        " thread. A task that is cancelled sets `stop`, and ends after the key at hand. The thread connects by the URL"
        " of the engine, with psycopg or sqlite3: without hooks, `connect_args` and the like. Raises `TypeError` where"
        " a URL is not enough: a database in memory, or parameters of asyncpg in it. Then run the method of a"
        ' `KeyRing` in a thread: `await asyncio.to_thread(KeyRing(engine, roots).run_rotations, worker="night-1")`.'
    ),
}
"""Sentences that follow those of `KeyRing` in the docstring."""
_HEAD = '''"""The methods of the asynchronous ring that await those of `KeyRing`.

Written by tools/async_methods.py: do not edit. The bodies are empty: the decorators call the method of `KeyRing` with
the same name.
"""

import datetime as dt
import threading
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from kms_schema.crypto import Secret
from kms_schema.crypto.secret import BytesLike
from kms_schema.keyring.asynchronous.async_keys import AsyncRevokedKey, in_greenlet, in_thread, to_its_end
from kms_schema.keyring.columns.reencrypting import Reencryption
from kms_schema.keyring.descriptions import CiphertextDescription, KeyDescription
from kms_schema.keyring.handover.handover_files import Handover
from kms_schema.keyring.worker.rotation_queue import Report
from kms_schema.keyring.worker.rotation_runs import RotationRun

if TYPE_CHECKING:
    from kms_schema.keyring.handover.receiver_keys import HandoverKey, HandoverPublicKey


class AsyncRingMethods:
    """The base of `AsyncKeyRing`."""
'''


def methods() -> dict[str, str]:
    """Return the text of each method that is awaited, by its name."""
    found = {}
    for source in ((_KEYRING / name).read_text("utf-8") for name in _SOURCES):
        owner = next(each for each in ast.parse(source).body if isinstance(each, ast.ClassDef))
        for node in owner.body:
            if isinstance(node, ast.FunctionDef) and not node.name.startswith("_") and node.name not in _OTHERWISE:
                lines = source.splitlines()[node.lineno - 1 : node.body[0].lineno - 1]
                found[node.name] = _method(node, lines)
    return found


def _method(node: ast.FunctionDef, signature: list[str]) -> str:
    head = "\n".join(signature).replace("def ", "async def ", 1).replace("-> RevokedKey:", "-> AsyncRevokedKey:")
    doc = ast.get_docstring(node) or ""
    names = [each.arg for each in (*node.args.args[1:], *node.args.kwonlyargs)]
    names += [node.args.kwarg.arg] if node.args.kwarg else []
    named = re.sub(r", (?=[^,]+$)", " and ", ", ".join(f"`{name}`" for name in names))
    same = f"`KeyRing.{node.name}` explains {named}. Raises the same errors."
    rest = " ".join(filter(None, (same, _NOTES.get(node.name))))
    body = textwrap.indent(_paragraphs(doc.partition("\n\n")[0], rest), " " * 8).rstrip()
    return f"    @{_DECORATORS.get(node.name, 'in_greenlet')}\n{head}\n{body}\n"


def _paragraphs(first: str, rest: str) -> str:
    width = _WIDTH - 8
    wrapped = [textwrap.fill(" ".join(each.split()), width, break_on_hyphens=False) for each in (f'"""{first}', rest)]
    return "\n\n".join(wrapped) + '\n"""'


def text() -> str:
    """Return the text of the module."""
    return _HEAD + "".join(f"\n{each}" for _, each in sorted(methods().items()))


if __name__ == "__main__":
    FILE.write_text(text(), "utf-8")
