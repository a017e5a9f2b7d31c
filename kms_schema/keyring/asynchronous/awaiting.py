"""How a method of the asynchronous ring calls that of `KeyRing` with its name.

The decorators use the name, signature and docstring of what they decorate, and not its body, which is empty.
"""

from collections.abc import Callable, Coroutine
from functools import partial, wraps
from typing import Any, TypeVar, cast

from sqlalchemy.util import greenlet_spawn

from kms_schema.crypto import Secret
from kms_schema.keyring.asynchronous.async_keys import AsyncRevokedKey
from kms_schema.keyring.use.revoked_keys import RevokedKey
from kms_schema.keyring.waiting.waits import to_the_end

Method = TypeVar("Method", bound=Callable[..., Coroutine[Any, Any, Any]])


def in_greenlet(method: Method) -> Method:
    """Call the method of the ring in a greenlet."""

    @wraps(method)
    async def call(self: Any, *given: Any, **named: Any) -> Any:
        done = await greenlet_spawn(getattr(self._ring, method.__name__), *given, **named)
        return AsyncRevokedKey(done) if isinstance(done, RevokedKey) else done

    return cast("Method", call)


def to_its_end(method: Method) -> Method:
    """Call the method of the ring in a greenlet, whose end a task that is cancelled waits for once an HSM is called."""

    @wraps(method)
    async def call(self: Any, *given: Any, **named: Any) -> Any:
        copy = None
        if named.get("material") is not None and not isinstance(named["material"], Secret):
            # In place of the caller's, so that a traceback with its variables does not have that.
            copy = named["material"] = Secret.copy_of(named["material"])
        try:
            return await to_the_end(partial(getattr(self._ring, method.__name__), *given, **named))
        finally:
            if copy is not None:
                copy.wipe()

    return cast("Method", call)


def in_thread(method: Method) -> Method:
    """Call the method of a synchronous ring in a thread."""

    @wraps(method)
    async def call(self: Any, **named: Any) -> Any:
        return await self._in_thread(method.__name__, named)

    return cast("Method", call)
