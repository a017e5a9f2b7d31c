"""The methods of the asynchronous ring that await those of `KeyRing`.

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

    @in_greenlet
    async def activate(self, key_id: str, *, actor: str | None = None) -> KeyDescription:
        """Activate a pending key, and its last version if none is live. Needs kms_rotator.

        `KeyRing.activate` explains `key_id` and `actor`. Raises the same errors.
        """

    @in_greenlet
    async def archive(self, key_id: str, *, actor: str | None = None) -> KeyDescription:
        """Archive a key that is rotated, expired or revoked: it is not used any more.

        `KeyRing.archive` explains `key_id` and `actor`. Raises the same errors.
        """

    @to_its_end
    async def create(  # noqa: PLR0913  (each is a property of the key)
        self,
        key_id: str,
        *,
        under: str | None = None,
        key_type: str = "dek",
        algorithm: str | None = None,
        key_size_bits: int = 256,
        material: BytesLike | Secret | None = None,
        hsm: str | None = None,
        ciphertext_tag: int | None = None,
        used: int = 0,
        actor: str | None = None,
        **columns: Any,
    ) -> KeyDescription:
        """Register a key, give it its first version and activate it, in one transaction.

        `KeyRing.create` explains `key_id`, `under`, `key_type`, `algorithm`, `key_size_bits`, `material`, `hsm`,
        `ciphertext_tag`, `used`, `actor` and `columns`. Raises the same errors.
        """

    @to_its_end
    async def destroy_version(  # noqa: PLR0913  (each is an option of the command)
        self,
        key_id: str,
        version: int,
        *,
        check: Sequence[str] = (),
        erase_data: bool = False,
        leave_object: bool = False,
        actor: str | None = None,
    ) -> None:
        """Destroy a version that has ended, and its object if an HSM holds it: its ciphertexts are lost.

        `KeyRing.destroy_version` explains `key_id`, `version`, `check`, `erase_data`, `leave_object` and `actor`.
        Raises the same errors.
        """

    @in_greenlet
    async def expire(self, key_id: str, *, actor: str | None = None) -> KeyDescription:
        """Have a key decrypt only. Needs kms_rotator.

        `KeyRing.expire` explains `key_id` and `actor`. Raises the same errors.
        """

    @in_greenlet
    async def hand_over(
        self,
        key_id: str,
        *,
        to: "HandoverPublicKey",
        version: int | None = None,
        reason: str | None = None,
        actor: str | None = None,
    ) -> Handover:
        """Return a version of a key, wrapped to the public key of a receiver, who can use it from then on.

        `KeyRing.hand_over` explains `key_id`, `to`, `version`, `reason` and `actor`. Raises the same errors.
        """

    @in_greenlet
    async def inspect(self, blob: BytesLike) -> CiphertextDescription:
        """Return which version made a ciphertext, a message or a stream. No root key is needed: nothing is opened.

        `KeyRing.inspect` explains `blob`. Raises the same errors.
        """

    @in_greenlet
    async def reencrypt_column(  # noqa: PLR0913  (each is a choice of the caller)
        self,
        column: Any,
        key_id: str | None = None,
        *,
        to: str | None = None,
        below: int | None = None,
        dry_run: bool = False,
        row: Sequence[str] | Mapping[str, Any] = (),
        bound_as: tuple[str, str] | None = None,
        batch: int = 500,
        from_revoked: str | None = None,
        actor: str | None = None,
        progress: Callable[[int], None] = lambda _done: None,
    ) -> Reencryption:
        """Replace the ciphertexts of old versions in a column by ciphertexts of the live version.

        `KeyRing.reencrypt_column` explains `column`, `key_id`, `to`, `below`, `dry_run`, `row`, `bound_as`, `batch`,
        `from_revoked`, `actor` and `progress`. Raises the same errors. Other tasks run while the database answers;
        `progress` is called in the event loop.
        """

    @in_greenlet
    async def revoke(self, key_id: str, *, reason: str, now: bool = False, actor: str | None = None) -> KeyDescription:
        """Revoke the key named `key_id`: it neither encrypts nor decrypts any more, everywhere within `max_age`.

        `KeyRing.revoke` explains `key_id`, `reason`, `now` and `actor`. Raises the same errors.
        """

    @in_greenlet
    async def revoked_key(self, key_id: str, *, reason: str, actor: str | None = None) -> AsyncRevokedKey:
        """Return a revoked key for decrypting, such as to re-encrypt its data with another key.

        `KeyRing.revoked_key` explains `key_id`, `reason` and `actor`. Raises the same errors.
        """

    @to_its_end
    async def rotate(self, key_id: str, *, actor: str | None = None) -> KeyDescription:
        """Give a key a new version, which is live at once; the old one ends, and decrypts as before.

        `KeyRing.rotate` explains `key_id` and `actor`. Raises the same errors.
        """

    @in_thread
    async def run_rotations(  # noqa: PLR0913  (each is an option of the command)
        self,
        *,
        worker: str,
        once: bool = True,
        actor: str | None = None,
        jobs: int = 1,
        interval: float = 60.0,
        lease: float = 600.0,
        at_any_time: bool = False,
        destroy_after: dt.timedelta | None = None,
        stop: threading.Event | None = None,
        report: Report | None = None,
    ) -> RotationRun:
        """Rotate the keys that are due: schedule, claim, rotate, complete; return the counts.

        `KeyRing.run_rotations` explains `worker`, `once`, `actor`, `jobs`, `interval`, `lease`, `at_any_time`,
        `destroy_after`, `stop` and `report`. Raises the same errors. It runs in a thread, with a synchronous ring of
        its own on the same database; `report` is called in that thread. A task that is cancelled sets `stop`, and ends
        after the key at hand. The thread connects by the URL of the engine, with psycopg or sqlite3: without hooks,
        `connect_args` and the like. Raises `TypeError` where a URL is not enough: a database in memory, or parameters
        of asyncpg in it. Then run the method of a `KeyRing` in a thread: `await asyncio.to_thread(KeyRing(engine,
        roots).run_rotations, worker="night-1")`.
        """

    @in_greenlet
    async def take_over(  # noqa: PLR0913  (each is said by the caller)
        self,
        key_id: str,
        file: bytes,
        *,
        key: "HandoverKey",
        sha256: str,
        under: str,
        actor: str | None = None,
        **columns: Any,
    ) -> KeyDescription:
        """Create a key from a handover file, as its version 1, which opens the ciphertexts of the version handed over.

        `KeyRing.take_over` explains `key_id`, `file`, `key`, `sha256`, `under`, `actor` and `columns`. Raises the same
        errors.
        """
