"""How long a key ring relies on what it has read."""

from dataclasses import dataclass

LONGEST_AGE = 3600.0
"""Seconds that a key may be used without a new read of its row."""


@dataclass(frozen=True)
class CachePolicy:
    """Limits of the cache of a key ring. A key is read again after the first of them.

    - `max_age`: seconds, more than 0 and at most 3600: after these a revocation is seen everywhere
    - `max_messages`, `max_bytes`: encryptions, and bytes of plaintext
    - `stale_decrypt`: seconds after `max_age` in which known keys decrypt while the database cannot be reached
    - `max_keys`: the number of versions whose material is in memory

    Raises `ValueError` for other values.

    ```python
    ring = KeyRing(engine, roots, cache=CachePolicy(max_age=10, stale_decrypt=300))
    ```
    """

    max_age: float = 60.0
    max_messages: int = 2**32
    max_bytes: int = 2**40
    stale_decrypt: float = 0.0
    max_keys: int = 1000

    def __post_init__(self) -> None:
        """Check the values."""
        if not 0 < self.max_age <= LONGEST_AGE:
            raise ValueError(f"max_age is more than 0 and at most {LONGEST_AGE:.0f} seconds, not {self.max_age!r}")
        if not 0 <= self.stale_decrypt < float("inf"):
            raise ValueError(f"stale_decrypt is a number of seconds, not {self.stale_decrypt!r}")
        for name in ("max_messages", "max_bytes", "max_keys"):
            if getattr(self, name) < 1:
                raise ValueError(f"{name} is at least 1, not {getattr(self, name)!r}")
