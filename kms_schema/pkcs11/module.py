"""PKCS#11 modules of this process: each is loaded and initialized once, for all that open its tokens.

The binding initializes a module without permission to call it from several threads at once, and a module belongs to
the process that initialized it. So every call is made inside `Module.held`: one thread at a time, also while the
process forks, and in a forked child after a new initialization.
"""

import os
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import pkcs11

from kms_schema.database import forks
from kms_schema.pkcs11.errors import TokenNotFoundError

_modules: dict[str, "Module"] = {}


class Module:
    """A module of this process. `generation` counts its initializations: sessions of an older one are void."""

    def __init__(self, path: str) -> None:
        """Load nothing yet."""
        self.path = path
        self.generation: int = 0
        self.logins: dict[Any, Any] = {}
        """The logins of `kms_schema.pkcs11.token`, by the identity of the token."""
        self.refused_pins: set[bytes] = set()
        self.lock: threading.RLock = threading.RLock()
        self._library: Any = None
        self._forked = False

    @contextmanager
    def held(self) -> Iterator[Any]:
        """Yield the library of python-pkcs11, for calls of this thread only; other threads wait.

        Raises `TokenNotFoundError` (`module`) if it cannot be loaded or initialized.
        """
        with self.lock:
            if self._forked:
                self.restart()
            elif self._library is None or not self._library.initialized:
                self._initialize()
            yield self._library

    @property
    def is_forked(self) -> bool:
        """True in a forked child until the first call of `held`: nothing of the parent's may be used, or closed."""
        return self._forked

    def restart(self, generation: int | None = None) -> None:
        """Initialize the module again, in a forked child or after the token was lost. All sessions are void.

        Many modules find tokens only then. generation: do nothing if another thread has done it since. Raises
        `TokenNotFoundError` (`module`).
        """
        with self.lock:
            if generation not in (None, self.generation):
                return
            if self._library is not None:
                # A module that has noticed the fork answers that it is not initialized.
                with suppress(pkcs11.PKCS11Error):
                    self._library.finalize()
            self._initialize()

    def _initialize(self) -> None:
        self.logins.clear()
        self.generation += 1
        try:
            if self._library is None:
                if not Path(self.path).is_file():
                    raise TokenNotFoundError(
                        f"there is no PKCS#11 module {self.path}: correct module-path of the URI", reason="module"
                    )
                self._library = pkcs11.lib(self.path)
            self._library.initialize()
        except pkcs11.PKCS11Error as error:
            why = str(error) or type(error).__name__
            raise TokenNotFoundError(f"the PKCS#11 module {self.path} does not start: {why}", reason="module") from None
        self._forked = False

    def after_fork(self) -> None:
        """Take note that this is a child process: the thread that forked has the lock, and its copy is replaced."""
        self.lock = threading.RLock()
        self._forked = True


def module_at(path: str) -> Module:
    """Return the module of this process at a path. Raises nothing before it is used."""
    resolved = os.path.realpath(path)
    return _modules.setdefault(resolved, Module(resolved))


_kept: list[Module] = []
"""The modules that must not be called after a fork."""


def _before_fork() -> None:
    _kept[:] = _modules.values()
    for module in _kept:
        module.lock.acquire()


def _after_fork_in_parent() -> None:
    while _kept:
        _kept.pop().lock.release()


def _after_fork_in_child() -> None:
    _kept.clear()
    for module in _modules.values():
        module.after_fork()


forks.hold_too(_before_fork, _after_fork_in_parent, _after_fork_in_child)
