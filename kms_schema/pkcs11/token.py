"""Tokens that this process is logged in to, and their objects.

A login is of the process and not of a session, and closing a session with its login ends it for all. So all that use a
token share one login and its two sessions, one that reads and one that writes; the last to close ends them.
"""

import hashlib
import hmac
import os
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from typing import Any, Self, TypeVar

import pkcs11
from pkcs11 import Attribute, ObjectClass, TokenFlag

from kms_schema.crypto.secret import Secret
from kms_schema.pkcs11.errors import PinError, Pkcs11Error, TokenLostError, TokenNotFoundError, TokenRefusedError
from kms_schema.pkcs11.module import Module, module_at
from kms_schema.pkcs11.uri import Pkcs11Uri, read_pin

_PAUSES = (0.0, 0.05, 0.2)
"""Seconds before each restart of a module: SoftHSM leaves out a token whose files other processes use at that time."""

Result = TypeVar("Result")

_LOST = (
    pkcs11.DeviceError, pkcs11.DeviceMemory, pkcs11.DeviceRemoved, pkcs11.TokenNotPresent, pkcs11.TokenNotRecognised,
    pkcs11.SessionHandleInvalid, pkcs11.SessionClosed, pkcs11.UserNotLoggedIn, pkcs11.ObjectHandleInvalid,
    pkcs11.KeyHandleInvalid, pkcs11.GeneralError, pkcs11.FunctionFailed, pkcs11.SlotIDInvalid,
)  # fmt: skip
"""Errors of a token that is gone or was restarted; some modules have no better one than a general error."""
_FINALIZED = "not initialized"
"""In the message of python-pkcs11 if something else of the process has finalized the module."""

_PIN_ERRORS = (
    pkcs11.PinIncorrect, pkcs11.PinInvalid, pkcs11.PinLenRange, pkcs11.PinLocked, pkcs11.PinExpired,
    pkcs11.UserPinNotInitialized,
)  # fmt: skip

_process_key = os.urandom(32)
"""Refused PINs are remembered as hashes under it, which say nothing to others."""


@dataclass(slots=True)
class _Login:
    generation: int
    token: Any
    keeper: Any
    """The session that logged in; closing it logs out."""
    sessions: dict[bool, Any] = field(default_factory=dict)
    users: int = 0


class Token:
    """A token, found by the attributes of a URI, with a login that all of the process share.

    It is opened at first use, and opened again in a forked child and after it was lost. Safe for threads: their calls
    wait for each other. `close`, or the end of a `with` block, ends the login unless another token of the process uses
    it.
    """

    def __init__(
        self, uri: Pkcs11Uri, *, despite_refused_pin: bool = False, pin: Callable[[], Secret] | None = None
    ) -> None:
        """Name the token; nothing is opened yet. Example::

            with Token(Pkcs11Uri.parse(text)) as token, token.session() as session:
                key = find_object(session, token.uri)

        despite_refused_pin: log in although the token reports that its last login was refused; a further wrong PIN may
        lock it. pin: returns the PIN, which is wiped after the login, in place of the source in the URI.
        """
        self.uri = uri
        self._despite_refused_pin = despite_refused_pin
        self._pin = pin
        self._module = module_at(uri.module_path)
        self._login: _Login | None = None

    @property
    def module(self) -> Module:
        """The module of the token; `module.held()` yields the library of python-pkcs11."""
        return self._module

    @contextmanager
    def session(self, *, writable: bool = False) -> Iterator[Any]:
        """Yield a session of python-pkcs11 that is logged in, for calls of this thread inside the block only.

        writable: one that may create and destroy objects of the token. Objects that were found in it are good as long
        as the same session is yielded. Raises the errors of `kms_schema.pkcs11`; what python-pkcs11 raises inside the
        block becomes one of them. A `TokenLostError` makes the next call open the token again.
        """
        with self._module.held() as library:
            try:
                yield self._session(library, writable)
            except pkcs11.PKCS11Error as error:
                if isinstance(error, _LOST) or _FINALIZED in str(error):
                    self._forget()
                    raise TokenLostError(
                        f"the token {self.uri} does not answer ({_why(error)}): the next call opens it again"
                    ) from None
                raise TokenRefusedError(f"the token {self.uri} refused: {_why(error)}") from None

    def run(self, work: Callable[[Any], Result], *, writable: bool = False) -> Result:
        """Return what `work` returns for a session, and call it a second time if the token was lost at the first.

        A token that is gone may also answer that it has no such object, which counts unless this call opened it.

        work: calls of the session that may be repeated, such as a MAC. writable: as for `session`. Raises as `session`
        does, and what `work` raises.
        """
        generation, is_new = self._module.generation, self._login is None
        try:
            with self.session(writable=writable) as session:
                is_new = is_new or generation != self._module.generation
                generation = self._module.generation
                return work(session)
        except (TokenLostError, TokenNotFoundError) as error:
            if isinstance(error, TokenNotFoundError) and (is_new or error.reason != "object"):
                raise
            self._module.restart(generation)  # many modules recognize a token that is back only then
        with self.session(writable=writable) as session:
            return work(session)

    def close(self) -> None:
        """Log out and close the sessions, unless other parts of this process use them. The token may be used again."""
        with self._module.lock:
            login, self._login = self._login, None
            if login is None or login.generation != self._module.generation or self._module.is_forked:
                return
            login.users -= 1
            if login.users == 0:
                self._end(login)

    def __enter__(self) -> Self:
        """Return itself."""
        return self

    def __exit__(self, *_error: object) -> None:
        """Close it."""
        self.close()

    def __repr__(self) -> str:
        """Show the path of the URI only."""
        return f"<{type(self).__name__} {self.uri}>"

    def _session(self, library: Any, writable: bool) -> Any:
        login = self._login
        if login is None or login.generation != self._module.generation:
            self._login = login = self._opened(library)
            login.users += 1
        if writable not in login.sessions:
            login.sessions[writable] = login.token.open(rw=writable)
        return login.sessions[writable]

    def _opened(self, library: Any) -> _Login:
        token = self._found(library)
        for pause in _PAUSES:  # many modules look for tokens only when they are initialized
            if token is None:
                time.sleep(pause)
                self._module.restart()
                token = self._found(library)
        if token is None:
            raise TokenNotFoundError(f"{self._module.path} has no token {self.uri}: is it there, and initialized?")
        identity = (token.serial, token.label, token.manufacturer_id, token.model)
        if identity not in self._module.logins:
            keeper = self._logged_in(token, identity)
            self._module.logins[identity] = _Login(self._module.generation, token, keeper)
        login: _Login = self._module.logins[identity]
        return login

    def _found(self, library: Any) -> Any:
        """Return the only token with the attributes of the URI, or None. The order of slots does not matter."""
        uri, found = self.uri, []
        try:
            slots = library.get_slots(token_present=True)
        except _LOST:
            return None
        for slot in slots:
            with suppress(*_LOST):
                token = slot.get_token()
                attributes = (
                    (uri.token, token.label), (uri.serial, _text(token.serial)), (uri.model, token.model),
                    (uri.manufacturer, token.manufacturer_id), (uri.slot_id, slot.slot_id),
                )  # fmt: skip
                if token.flags & TokenFlag.TOKEN_INITIALIZED and all(is_ in (None, had) for is_, had in attributes):
                    found.append(token)
        if len(found) > 1:
            serials = ", ".join(sorted(_text(token.serial) for token in found))
            raise Pkcs11Error(
                f"{len(found)} tokens are {uri}: add serial=NUMBER to the URI; they have the serial numbers {serials}",
                reason="ambiguous_token",
            )
        return found[0] if found else None

    def _logged_in(self, token: Any, identity: tuple[Any, ...]) -> Any:
        """Return a session with a login. A PIN is never sent if it may be the last before the token locks."""
        uri = self.uri
        if not token.flags & TokenFlag.LOGIN_REQUIRED:
            return token.open()
        if token.flags & TokenFlag.USER_PIN_LOCKED:
            raise PinError(f"the token {uri} is locked: its security officer can set a new PIN", reason="pin_refused")
        warned = TokenFlag.USER_PIN_COUNT_LOW | TokenFlag.USER_PIN_FINAL_TRY
        if token.flags & warned and not self._despite_refused_pin:
            raise PinError(
                f"the token {uri} reports a wrong PIN since the last login, and gets none, lest it lock: correct it,"
                " and log in once with roots check or hsm check --despite-refused-pin",
                reason="pin_refused",
            )
        if uri.pin_source is None and self._pin is None:
            if token.flags & TokenFlag.PROTECTED_AUTHENTICATION_PATH:
                return self._sent(token, pkcs11.PROTECTED_AUTH)
            raise PinError(
                f"the token {uri} requires a PIN: add pin-source=file:PATH or pin-source=env:NAME to the URI"
            )
        with read_pin(uri.pin_source or "") if self._pin is None else self._pin() as pin:
            mac = hmac.new(_process_key, repr(identity).encode(), hashlib.sha256)
            mac.update(pin.view)
            tried = mac.digest()
            if tried in self._module.refused_pins:
                raise PinError(
                    f"the token {uri} has refused this PIN before: it is not sent again", reason="pin_refused"
                )
            try:
                return self._sent(token, pin)
            except PinError:
                self._module.refused_pins.add(tried)
                raise

    def _sent(self, token: Any, pin: Any) -> Any:
        try:
            return token.open(user_pin=str(pin.view, "utf-8") if isinstance(pin, Secret) else pin)
        except pkcs11.UserAlreadyLoggedIn:  # something else of this process has logged in
            return token.open()
        except _PIN_ERRORS as error:
            raise PinError(
                f"the token {self.uri} refused the PIN ({type(error).__name__}): it is not sent again",
                reason="pin_refused",
            ) from None

    def _forget(self) -> None:
        login, self._login = self._login, None
        if login is not None:
            self._module.logins = {key: each for key, each in self._module.logins.items() if each is not login}
            login.generation = -1  # others open the token again
            self._end(login)

    def _end(self, login: _Login) -> None:
        for session in (*login.sessions.values(), login.keeper):
            with suppress(pkcs11.PKCS11Error):
                session.close()
        self._module.logins = {key: each for key, each in self._module.logins.items() if each is not login}


def find_object(session: Any, uri: Pkcs11Uri, object_class: ObjectClass = ObjectClass.SECRET_KEY) -> Any:
    """Return the only object of a session with the `object` and `id` of a URI.

    session: of `Token.session`. uri: names the object by label, id or both. object_class: its class. Raises
    `TokenNotFoundError` (`object`) and `Pkcs11Error` (`ambiguous_object`).
    """
    wanted: dict[Attribute, Any] = {Attribute.CLASS: object_class}
    if uri.object is None and uri.id is None:
        raise TokenNotFoundError(f"the URI {uri} names no object: add object=LABEL or id=%NN", reason="object")
    if uri.object is not None:
        wanted[Attribute.LABEL] = uri.object
    if uri.id is not None:
        wanted[Attribute.ID] = uri.id
    found = list(session.get_objects(wanted))
    if len(found) > 1:
        raise Pkcs11Error(
            f"{len(found)} objects of the token are {uri}: add id=%NN to the URI", reason="ambiguous_object"
        )
    if not found:
        raise TokenNotFoundError(f"the token has no object {uri}, as far as this login sees", reason="object")
    return found[0]


def _text(serial: Any) -> str:
    return serial.decode(errors="replace").rstrip() if isinstance(serial, bytes) else str(serial)


def _why(error: pkcs11.PKCS11Error) -> str:
    name = type(error).__name__
    return f"{name}: {error}" if str(error) else name
