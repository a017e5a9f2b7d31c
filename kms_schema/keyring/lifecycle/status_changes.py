"""The methods of a ring that change the status of a key."""

from abc import ABC, abstractmethod

from kms_schema.keyring.columns.declarations import Declarations
from kms_schema.keyring.descriptions import KeyDescription
from kms_schema.keyring.lifecycle.registry import Registry
from kms_schema.keyring.use.versions import Versions
from kms_schema.text.storable import check_is_text, check_texts
from kms_schema.vocabulary import KeyStatus

_REVOKE_NOW = (
    "Or revoke it now (--now): then only commands with --from-revoked open its ciphertexts. A login in kms_app can"
    " declare any column, and the entries KEY_CHANGED of the key name that login"
)


class StatusChanges(ABC):
    """`activate`, `expire`, `archive` and `revoke`."""

    _declarations: Declarations
    _registry: Registry
    _versions: Versions

    @abstractmethod
    def _check_open(self) -> None: ...

    def activate(self, key_id: str, *, actor: str | None = None) -> KeyDescription:
        """Activate a pending key, and its last version if none is live. Needs kms_rotator.

        Raises `KeyStateError` (`no_live_version`) for a key without a version, and otherwise as `expire` does.
        """
        return self._change(key_id, KeyStatus.ACTIVE, actor)

    def expire(self, key_id: str, *, actor: str | None = None) -> KeyDescription:
        """Have a key decrypt only. Needs kms_rotator.

        Raises `UnknownKeyError`, `KeyStateError` (`status_change`) where the lifecycle of keys does not allow it, and
        `KeyNotPermittedError`.
        """
        return self._change(key_id, KeyStatus.EXPIRED, actor)

    def archive(self, key_id: str, *, actor: str | None = None) -> KeyDescription:
        """Archive a key that is rotated, expired or revoked: it is not used any more.

        Raises `KeyInUseError` while a declared column holds ciphertexts of it, and as `expire` does.
        """
        self._check_open()
        self._declarations.refuse_if_used(key_id, "archived")
        return self._change(key_id, KeyStatus.ARCHIVED, actor)

    def revoke(self, key_id: str, *, reason: str, now: bool = False, actor: str | None = None) -> KeyDescription:
        """Revoke the key named `key_id`: it neither encrypts nor decrypts any more, everywhere within `max_age`.

        Needs kms_rotator. `reason` is stored with the key and in the audit log: write no secret into it. `actor` is the
        user in the entry. While a declared column holds ciphertexts of the key, or cannot be read, it is refused with
        `KeyInUseError` unless `now`: only `revoked_key` opens them afterwards. Raises `ValueError` for a reason that is
        blank or that no database stores, and otherwise as `expire` does.
        """
        self._check_open()
        check_is_text(key_id=key_id, reason=reason)
        check_texts(reason=reason)
        if not reason.strip():
            raise ValueError("give the reason of the revocation: it is stored with the key")
        if not now:
            self._declarations.refuse_if_used(key_id, "revoked", _REVOKE_NOW)
        return self._change(key_id, KeyStatus.REVOKED, actor, reason)

    def _change(self, key_id: str, status: KeyStatus, actor: str | None, reason: str | None = None) -> KeyDescription:
        self._check_open()
        described = self._registry.change_status(key_id, status, reason=reason, actor=actor)
        self._versions.cache.forget(key_id)
        return described
