"""A key that is to be created: its row, and the row of a key that is registered already."""

import datetime as dt
import shlex
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import sqlalchemy as sa
from sqlalchemy.orm import Session

from kms_schema.crypto import Secret
from kms_schema.keyring.errors import KeyExistsError, UnsupportedKeyError
from kms_schema.keyring.lifecycle.key_rows import find_key
from kms_schema.keyring.use.states import AES, ALGORITHMS, XAES
from kms_schema.models import KeyMaster, KeyVersion
from kms_schema.models.base import check_is_aware
from kms_schema.text.storable import check_is_text, check_texts
from kms_schema.vocabulary import KeyStatus, KeyType

_COLUMNS = frozenset(
    (
        "activated_at", "compliance_tags", "derivation_path", "expires_at", "hsm_metadata", "max_usage_count",
        "parent_key_id", "security_level",
    )
)  # fmt: skip
"""The columns of a master that `create` takes."""
_DEFAULT_ALGORITHMS = {KeyType.DEK: XAES, KeyType.KEK: "AES-256"}


@dataclass(frozen=True)
class NewKey:
    """A key to be created; the fields are the parameters of `KeyRing.create`."""

    key_id: str
    under: str | None
    key_type: KeyType
    algorithm: str | None = None
    key_size_bits: int = 256
    material: Secret | None = None
    hsm: str | None = None
    ciphertext_tag: int | None = None
    used: int = 0
    columns: Mapping[str, Any] = field(default_factory=dict)
    origin: Mapping[str, Any] | None = None
    """The handover file that it is from, for the audit log."""

    @property
    def call(self) -> str:
        """The call that gives a registered key its version."""
        if self.origin is not None:
            return "the same call"
        return f"ring.create({self.key_id!r}, {f'under={self.under!r}' if self.under else f'hsm={self.hsm!r}'})"

    def master(self) -> KeyMaster:
        """Return the row of the key, pending. Raises `UnsupportedKeyError`, `ValueError` and `TypeError`."""
        unknown = sorted(set(self.columns) - _COLUMNS)
        if unknown:
            raise TypeError(f"create() takes no {unknown[0]!r}: the columns of a key are {', '.join(sorted(_COLUMNS))}")
        if self.under is None and self.hsm is None:
            raise TypeError("create() takes under=, what wraps the key, or hsm=, the HSM that makes and holds it")
        names = {"under": self.under, "algorithm": self.algorithm, "hsm": self.hsm}
        check_is_text(key_id=self.key_id, **{name: each for name, each in names.items() if each is not None})
        check_texts(key_id=self.key_id, **names, **self.columns)
        numbers = {"key_size_bits": self.key_size_bits, "ciphertext_tag": self.ciphertext_tag, "used": self.used}
        for name, number in {**numbers, "max_usage_count": self.columns.get("max_usage_count")}.items():
            if number is not None and type(number) is not int:
                raise TypeError(f"{name} is {number!r}: give an integer")
        for name in ("activated_at", "expires_at"):
            check_is_aware(name, self.columns.get(name))
        algorithm = self.algorithm or (AES if self.hsm else _DEFAULT_ALGORITHMS.get(self.key_type))
        if algorithm is None:
            raise UnsupportedKeyError(f"name the algorithm of this {self.key_type} key", key_id=self.key_id)
        if self.key_type == KeyType.HSM and self.hsm is None:
            raise UnsupportedKeyError("a key of type hsm is held in an HSM: give hsm=NAME", key_id=self.key_id)
        if self.hsm and (self.under or self.material or self.used or self.activated_at is not None):
            raise UnsupportedKeyError(
                "a key in an HSM is made there: it takes no under, material, used or activated_at", key_id=self.key_id
            )
        if self.key_type == KeyType.DEK and (algorithm not in ALGORITHMS or self.key_size_bits != 256):
            raise UnsupportedKeyError(
                f"a dek is {' or '.join(ALGORITHMS)} with 256 bits, not {algorithm} with {self.key_size_bits}",
                key_id=self.key_id,
            )
        given = {name: value for name, value in self.columns.items() if name != "activated_at" and value is not None}
        if self.activated_at is not None:
            given["created_at"] = self.activated_at
        return KeyMaster(
            key_id=self.key_id, key_type=self.key_type, algorithm=algorithm, key_size_bits=self.key_size_bits, **given
        )

    @property
    def activated_at(self) -> dt.datetime | None:
        """The time in the past from which on an imported key was in use; None for a new key."""
        given: dt.datetime | None = self.columns.get("activated_at")
        if given is not None and given > dt.datetime.now(dt.UTC):
            raise ValueError("activated_at is in the future: activate the key then")
        return given


def registered(session: Session, new: NewKey, fresh: KeyMaster) -> KeyMaster:
    """Return the row of the key, which is `fresh` unless it is registered and has no version."""
    known = find_key(session, new.key_id)
    if known is None:
        session.add(fresh)
        try:
            with session.begin_nested():
                session.flush()
        except sa.exc.IntegrityError as error:
            if "uq_key_masters_key_id" not in str(error.orig) and "key_masters.key_id" not in str(error.orig):
                raise
        else:
            return fresh
    elif known.status == KeyStatus.PENDING:
        if _form(known) != _form(fresh):
            place = f", in HSM {known.hsm_key_id!r}" if known.hsm_key_id else ""
            raise KeyExistsError(
                f"key {new.key_id!r} is registered as {known.key_type}, {known.algorithm}, {known.key_size_bits} bits"
                f"{place}",
                key_id=new.key_id,
            )
        if session.scalar(sa.select(sa.func.count()).where(KeyVersion.key_id == known.id)) == 0:
            _refuse_other_columns(known, new)
            _mark(session, known, fresh.encrypted_columns or [])
            return known
    see = f"choose another name, or see that key with kms-schema keys show {shlex.quote(new.key_id)}"
    raise KeyExistsError(f"there is a key named {new.key_id!r}: {see}", key_id=new.key_id)


def _refuse_other_columns(known: KeyMaster, new: NewKey) -> None:
    """Raise `KeyExistsError` where a registered key has not what a call gives, such as a limit, which would be lost."""
    given = {name: value for name, value in new.columns.items() if name != "activated_at" and value is not None}
    others = sorted(name for name, value in given.items() if getattr(known, name) != value)
    if others:
        raise KeyExistsError(
            f"key {new.key_id!r} is registered with another {', '.join(others)}: leave that out, or take another name",
            key_id=new.key_id,
        )


def _mark(session: Session, known: KeyMaster, marks: Sequence[dict[str, str]]) -> None:
    """Add what is not yet in the list of a key's columns."""
    if any(mark not in (known.encrypted_columns or ()) for mark in marks):
        session.refresh(known, with_for_update={"key_share": True})
        stored = known.encrypted_columns or []
        known.encrypted_columns = [*stored, *(mark for mark in marks if mark not in stored)]


def _form(key: KeyMaster) -> tuple[object, ...]:
    return key.key_type, key.algorithm, key.key_size_bits, key.hsm_key_id
