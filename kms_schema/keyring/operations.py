"""The methods of a ring that take long, or are rare: columns, revoked keys, destroying, handovers, rotations."""

import datetime as dt
import threading
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import sqlalchemy as sa

from kms_schema.keyring.columns import row_binding, statement_checks
from kms_schema.keyring.columns.places import RINGS
from kms_schema.keyring.columns.reencrypting import Job, Reencryption, find_column, tags_of
from kms_schema.keyring.columns.ring_columns import ColumnCiphers, RingColumns, chosen_column
from kms_schema.keyring.descriptions import KeyDescription
from kms_schema.keyring.handover import transfers
from kms_schema.keyring.handover.handover_files import Handover
from kms_schema.keyring.lifecycle.version_destruction import destroy_version
from kms_schema.keyring.parts import RingParts
from kms_schema.keyring.use.revoked_keys import RevokedKey, record_opening
from kms_schema.keyring.worker.rotation_queue import Report, RunOptions
from kms_schema.keyring.worker.rotation_runs import RotationRun, RotationWorker

if TYPE_CHECKING:
    from kms_schema.keyring.handover.receiver_keys import HandoverKey, HandoverPublicKey


class RingOperations:
    """The base of `KeyRing`."""

    def __init__(self, parts: RingParts) -> None:
        """Work with the parts of a ring."""
        self._parts = parts

    def attach(self, metadata: sa.MetaData) -> None:
        """Have the `EncryptedColumn`s of `metadata` encrypt and decrypt with this ring.

        Columns of tables that are added later are included. A metadata has one ring: the last that was attached. From
        the first call on, listeners on all engines of the process refuse statements that order by such a column. They
        also remove the parameters of errors that would show values before they are encrypted. Raises `RingClosedError`.
        Example::

            ring.attach(Base.metadata)
        """
        self._parts.check_open()
        row_binding.install()
        statement_checks.install()
        RINGS[metadata] = RingColumns(self._parts)

    def reencrypt_column(  # noqa: PLR0913  (each is a choice of the caller)
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

        - `column`: an attribute or column whose type is an `EncryptedColumn`, or `"table.column"`
          (`"schema.table.column"`). The table needs a primary key
        - `key_id`: the key, by default the key of the type. `to`: another key to encrypt with
        - `below`: of versions numbered less than this. `dry_run`: count only
        - `row`, `bound_as`: as for the type, from which they are taken; `row` may map names to types of SQLAlchemy,
          where the database does not have the type of the application: `{"id": sa.Uuid()}` on SQLite
        - `from_revoked`: the reason for opening a key that is revoked, as for `revoked_key`, with `actor`; needs `to`
        - `batch`: rows in a transaction. `progress`: called with the number of rows that are done

        Rows are read in pages by primary key and replaced in a transaction a page. A row is replaced only if it still
        has the bytes that were read and is not locked; others are tried again. The column is stored with the key that
        encrypts. Needs kms_app, SELECT on the column and the primary key and UPDATE on the column. Start it again after
        an interruption. `left`, `unopened` and `streams` of the result say what remains: streams are never replaced.
        Raises `ColumnError` (`host`) for a column that is not there or not to be changed, `UnknownKeyError`,
        `ValueError` for a name that is not valid, and otherwise as `Key.encrypt` does. Example::

            ring.rotate("orders")
            assert not ring.reencrypt_column(Invoice.iban).left
        """
        parts = self._parts
        parts.check_open()
        chosen = chosen_column(column, key_id, row, bound_as)
        key_id = chosen.key_id
        found = find_column(parts.storage, key_id, chosen.name, chosen.row)
        tags = tags_of(parts.storage, key_id, below=below, live=to not in (None, key_id))
        job = Job(parts.storage, found, key_id, tags, chosen.bound_as, batch)
        if dry_run:
            return job.counted()
        if from_revoked is not None and to in (None, key_id):
            raise ValueError("a revoked key does not encrypt: name another one with `to`")
        revoked = None if from_revoked is None else self.revoked_key(key_id, reason=from_revoked, actor=actor)
        try:
            parts.declarations.declare(to or key_id, found.name)
            return job.run(ColumnCiphers(parts, key_id, to or key_id, revoked), progress)
        finally:
            if revoked is not None:
                revoked.close()

    def revoked_key(self, key_id: str, *, reason: str, actor: str | None = None) -> RevokedKey:
        """Return a revoked key for decrypting, such as to re-encrypt its data with another key.

        Needs kms_rotator. An entry `REVOKED_KEY_OPENED` of level HIGH, with `reason` and `actor`, is committed before
        this returns: write no secret into them. Close the key afterwards. Raises `UnknownKeyError`, `KeyStateError`
        (`status_change`) for a key that is not revoked, `KeyNotPermittedError`, `DatabaseUnavailableError`, and
        `ValueError` for a reason that is blank or that no database stores. Example::

            old = ring.revoked_key("orders", reason="move to orders-2, incident 4711")
            data = old.decrypt(blob, aad=b"invoice/17/iban")
        """
        parts = self._parts
        parts.check_open()
        record_opening(parts.storage, key_id, reason, actor)
        revoked = RevokedKey(parts.storage, parts.opener, key_id, parts.check_open)
        parts.revoked_keys.add(revoked)
        return revoked

    def destroy_version(  # noqa: PLR0913  (each is an option of the command)
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

        - `key_id`, `version`: the key and the number of its version
        - `check`: columns that may hold ciphertexts of the version, as TABLE.COLUMN, besides the columns that are
          stored with the key
        - `erase_data`: True to destroy the version even while data is encrypted with it
        - `leave_object`: True to destroy no object in the HSM, such as one that is gone with its token
        - `actor`: the user in the entry of the audit log

        The object is destroyed when the database has accepted the change, just before COMMIT. Needs kms_rotator. Raises
        `KeyInUseError`, with the reason `version` for a version that is live, unknown, destroyed already or wraps
        others. Raises `ColumnError` (`host`), `MaterialUnavailableError` (`hsm`) if the object cannot be destroyed,
        `KeyNotPermittedError`, and `ValueError` for a wrong name of a column. Example::

            ring.destroy_version("orders", 1, check=["invoices.iban"], actor="alice")
        """
        self._parts.check_open()
        destroy_version(
            self._parts.storage, self._parts.held, key_id, version,
            check=check, erase_data=erase_data, leave_object=leave_object, actor=actor,
        )  # fmt: skip
        self._parts.forget(key_id)

    def hand_over(
        self,
        key_id: str,
        *,
        to: "HandoverPublicKey",
        version: int | None = None,
        reason: str | None = None,
        actor: str | None = None,
    ) -> Handover:
        """Return a version of a key, wrapped to the public key of a receiver, who can use it from then on.

        - `key_id`: the name of an active, rotated or expired key that no HSM holds. `version`: the live one by default
        - `to`: the public key of the receiver; compare its fingerprint with the receiver first
        - `reason`: for the audit log, no secret. `actor`: the user in the entries

        Needs kms_rotator. An entry `KEY_HANDOVER_STARTED` of level HIGH, with version, fingerprint and reason, is
        committed before the material is opened, and `KEY_HANDED_OVER` with the SHA-256 of the file before this returns.
        Tell that to the receiver. Raises `UnknownKeyError`, `KeyStateError` (`pending`, `archived`, `no_live_version`),
        `VersionDestroyedError`, `KeyRevokedError`, and `UnsupportedKeyError` for a key in an HSM and for one whose name
        or size does not fit into a file. Raises `MaterialUnavailableError`, `KeyNotPermittedError`,
        `DatabaseUnavailableError`, and `ValueError` for a reason that no database stores. Example::

            handover = ring.hand_over("orders", to=HandoverPublicKey.read(Path("receiver.key.pub")), actor="alice")
            Path("orders.handover").write_bytes(handover.file)
            print(handover.sha256)
        """
        self._parts.check_open()
        return transfers.hand_over(self._parts, key_id, to, version=version, reason=reason, actor=actor)

    def take_over(  # noqa: PLR0913  (each is said by the caller)
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

        - `key_id`: its name here. `file`: the bytes of the handover file
        - `key`: the private key of the receiver. `sha256`: SHA-256 of the file, which the sender has told through
          another channel, since the file itself does not prove who made it
        - `under`, `actor`, `columns`: as for `create`. Type, algorithm, size, ciphertext tag and the count of
          encryptions come from the file

        Needs kms_admin and kms_rotator. An entry `KEY_TAKEN_OVER` with the SHA-256 is part of the transaction. A
        version is taken over once: its ciphertext tag is in the database then. Raises `HandoverError` if the file does
        not open or does not have this SHA-256, `KeyExistsError` (`ciphertext_tag`), and otherwise as `create` does.
        Example::

            with HandoverKey.read(Path("receiver.key")) as key:
                ring.take_over("orders", file, key=key, sha256="4f1c…", under="kek-2027", actor="bob")
        """
        self._parts.check_open()
        return transfers.take_over(
            self._parts, key_id, file, key=key, sha256=sha256, under=under, actor=actor, columns=columns
        )

    def run_rotations(  # noqa: PLR0913  (each is an option of the command)
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

        - `worker`: the name of this worker, 1 to 83 characters. `actor`: the user in the entries of the audit log
        - `once`: return when nothing is left; else stay, and look again each `interval` seconds until `stop` is set
        - `jobs`: keys at once, in threads. `lease`: seconds after which another worker may take a rotation over
        - `at_any_time`: also outside the windows of policies
        - `destroy_after`: destroy versions that ended longer ago, at least 24 hours. They are of KEKs that wrap
          nothing, and of data keys whose stored columns hold no ciphertext of them, unless these have encrypted outside
          of columns
        - `stop`: when it is set, the keys at hand are finished, and no others are begun
        - `report`: called with a sentence about each rotation

        Versions that a KEK wraps are rewrapped under its new one. That rotation is complete when nothing is left under
        the old ones `max_age` after these ended: with `once`, this waits for it. A rotation that fails keeps its reason
        and is tried again as the queue says.

        Needs kms_rotator and the root keys. Raises `ValueError` for an invalid parameter, `DatabaseUnavailableError`
        with `once` or at the start, `KeyNotPermittedError`, and `TypeError` for a driver other than psycopg and
        sqlite3. Example::

            done = ring.run_rotations(worker="night-1")
            print(done.completed, done.failed)
        """
        self._parts.check_open()
        options = RunOptions(
            worker, once, actor, jobs, interval, dt.timedelta(seconds=lease), at_any_time, destroy_after,
            stop or threading.Event(), report or (lambda _sentence: None),
        )  # fmt: skip
        return RotationWorker(self._parts, options).run()
