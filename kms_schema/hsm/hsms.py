"""The HSMs of a process by their names: the URIs that it was given, and PINs.

Stored PINs are for health checks and rotation: kms_app may not read them.
"""

from collections.abc import Mapping, Sequence
from importlib.metadata import EntryPoint
from typing import TYPE_CHECKING

import sqlalchemy as sa
from sqlalchemy.orm import Session, load_only

from kms_schema.crypto import KeyWrapping, RootKeys, Secret
from kms_schema.database.messages import NOT_PERMITTED, sqlstate_of
from kms_schema.hsm.errors import HsmError
from kms_schema.hsm.handles import Handle
from kms_schema.models import HsmConfiguration
from kms_schema.pkcs11 import Pkcs11Uri

if TYPE_CHECKING:
    from kms_schema.hsm.key_objects import KeyObjects
    from kms_schema.pkcs11.token import Token


_TOKEN = EntryPoint("Token", "kms_schema.pkcs11.token:Token", "kms_schema.hsm")
_KEY_OBJECTS = EntryPoint("KeyObjects", "kms_schema.hsm.key_objects:KeyObjects", "kms_schema.hsm")
"""Loaded with the first token: they need the extra `pkcs11`."""


class Hsms:
    """Opens the tokens of a process when their keys are used. Threads may share it, and processes may fork with it."""

    def __init__(self, uris: Mapping[str, str], *, despite_refused_pin: bool = False) -> None:
        """Take the URIs (RFC 7512) of HSMs by their names in the database; nothing is opened yet.

        `despite_refused_pin`: log in to a token that reports a refused PIN; a further wrong PIN may lock it. Raises
        `TokenUriError`. Example::

            Hsms({"luna-1": "pkcs11:token=kms?module-path=/usr/lib/libluna.so&pin-source=file:/run/secrets/pin"})
        """
        self._uris = {name: Pkcs11Uri.parse(text) for name, text in uris.items()}
        self._despite_refused_pin = despite_refused_pin
        self._pins: dict[str, Secret] = {}
        self._opened: dict[str, tuple[Token, KeyObjects]] = {}

    @property
    def names(self) -> tuple[str, ...]:
        """The names of the HSMs."""
        return tuple(self._uris)

    def lacks_pin(self, name: str) -> bool:
        """Return True if the URI of an HSM names no source of its PIN, and `learn_pin` was not called for it."""
        return name in self._uris and self._uris[name].pin_source is None and name not in self._pins

    def learn_pin(self, name: str, pin: Secret) -> None:
        """Take over the PIN of an HSM, such as the PIN in its credentials; `close` wipes it."""
        self._pins[name] = pin

    def objects(self, name: str) -> "KeyObjects":
        """Return the key objects of an HSM. Raises `HsmError` (`no_uri`) where the process has no URI for it.

        Raises `HsmError` (`missing_extra`) where the library is not installed.
        """
        if name not in self._opened:
            if name not in self._uris:
                raise HsmError(
                    f"this process was given no URI for HSM {name!r}: give it one, with --hsm or hsms={{name: URI}}",
                    reason="no_uri",
                )
            self._opened.setdefault(name, self._open(name))
        return self._opened[name][1]

    def _open(self, name: str) -> "tuple[Token, KeyObjects]":
        pin = self._pins.get(name)
        try:
            opened = _TOKEN.load()(
                self._uris[name],
                despite_refused_pin=self._despite_refused_pin,
                pin=None if pin is None else lambda: Secret.copy_of(pin.view),
            )
            return opened, _KEY_OBJECTS.load()(opened)
        except ModuleNotFoundError as error:
            if error.name is None or error.name.startswith("kms_schema"):
                raise
            raise HsmError(
                f"keys in HSMs need the module {error.name}: install python-pkcs11, the extra pkcs11 of this package",
                reason="missing_extra",
            ) from None

    def generate(self, name: str, label: str) -> Handle:
        """Make a key object in an HSM and return its handle. Raises as `KeyObjects.generate` and `objects` do."""
        handle = Handle.new(name)
        self.objects(name).generate(handle.object_id, label)
        return handle

    def destroy(self, handle: Handle) -> None:
        """Destroy the key object of a version. Raises as `KeyObjects.destroy` and `objects` do."""
        self.objects(handle.hsm).destroy(handle.object_id)

    def close(self) -> None:
        """End the logins that no other part of the process uses, and wipe the PINs."""
        while self._opened:
            self._opened.popitem()[1][0].close()
        while self._pins:
            self._pins.popitem()[1].wipe()

    def __repr__(self) -> str:
        """Show the names only."""
        return f"<{type(self).__name__} {', '.join(map(repr, self._uris)) or 'none'}>"


MEMBER = "pin"
"""The member of the credentials that is the PIN."""


def learn_stored_pin(session: Session, hsms: Hsms, name: str, roots: Sequence[RootKeys]) -> None:
    """Give an HSM the PIN of its stored credentials, if its URI names no source of one.

    The login of `session` needs kms_rotator or kms_admin. Nothing is done where no credentials are stored: a token may
    need no PIN. Raises `HsmError` (`no_stored_pin`), and what `KeyWrapping.decrypt_credentials` raises.
    """
    if not hsms.lacks_pin(name):
        return
    columns = load_only(
        HsmConfiguration.id, HsmConfiguration.configuration_name, HsmConfiguration.authentication_config,
        HsmConfiguration.wrapping_key_ref,
    )  # fmt: skip
    query = sa.select(HsmConfiguration).where(HsmConfiguration.configuration_name == name).options(columns)
    try:
        configuration = session.scalars(query).one_or_none()
    except sa.exc.DBAPIError as error:
        if sqlstate_of(error) != NOT_PERMITTED:
            raise
        raise HsmError(
            f"the URI of HSM {name!r} names no source of its PIN, and this login may not read the stored one: add"
            " pin-source=file:PATH or pin-source=env:NAME to the URI",
            reason="no_stored_pin",
        ) from None
    if configuration is None or configuration.authentication_config is None:
        return
    pin = KeyWrapping(*roots).decrypt_credentials(configuration).get(MEMBER)
    if not isinstance(pin, str) or not pin:
        raise HsmError(f"the stored credentials of HSM {name!r} have no member {MEMBER!r}", reason="no_stored_pin")
    hsms.learn_pin(name, Secret(bytearray(pin.encode())))
