"""Errors of the audit trail's tables, with what to do."""

from typing import Literal

from kms_schema.errors import KmsSchemaError


class TrailError(KmsSchemaError):
    """The trail cannot be read, sealed or written; the message says what to do.

    - `unknown_key`: no key has the name that an entry, or a list of entries, is to be about
    - `entry_refused`: a rule of the database does not allow an entry; the message names it
    - `cannot_start`: no verification starts at this seal: it is missing, cannot be read, or is newer than a given
      checkpoint
    - `other_signer`: another key signs this trail, or it has another origin
    - `nothing_to_seal`: every entry is sealed already, by another sealer
    - `not_permitted`: the login lacks a privilege to record an operation
    """

    reason: (
        Literal["unknown_key", "entry_refused", "cannot_start", "other_signer", "nothing_to_seal", "not_permitted"]
        | None
    )


def no_such_key(key_id: str) -> TrailError:
    """Return the error for the name of a key that is not there."""
    return TrailError(f"there is no key named {key_id!r}; kms-schema keys list shows the names", reason="unknown_key")


def missing_table(table: str) -> TrailError:
    """Return the error for a database that does not have a table that the call needs."""
    return TrailError(
        f"there is no table {table}: bring the database up to date (kms-schema upgrade), or name its schema (--schema)"
    )


def seals_locked(holder: str, seconds: float) -> TrailError:
    """Return the error for seals that another session, described as `holder`, has locked for some seconds."""
    return TrailError(
        f"another session{holder} has locked the seals for {seconds:g} seconds: wait for it or end it, or allow more"
        " with --lock-wait SECONDS"
    )


def not_a_table(name: str) -> TrailError:
    """Return the error for a view, or a table with types of others, which can show each reader something else."""
    return TrailError(
        f"{name} is not a plain table with types of the database, so its rows are not evidence: run kms-schema validate"
    )


def write_discarded(table: str) -> TrailError:
    """Return the error for a statement that wrote fewer rows than it was given, without an error of the database."""
    return TrailError(
        f"a trigger or rule discards rows written to {table}: nothing was written; run kms-schema validate"
    )


def invalid_numbers(table: str, count: int) -> str:
    """Return the sentence about rows with invalid numbers."""
    return f"{table} has rows with invalid numbers, which no read finds: {count}"
