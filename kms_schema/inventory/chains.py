"""The wrapping chain of a version: the versions of KEKs above it, up to a root key or an HSM."""

from collections.abc import Mapping
from typing import NamedTuple

from kms_schema.inventory.rows import Version, Wrapper
from kms_schema.inventory.strengths import rate

ROOT_STRENGTH_BITS = 256
"""Of a root key: HMAC-SHA-256 with 32 bytes, whatever the provider."""


class Chain(NamedTuple):
    """The protection of a version."""

    depth: int
    """Versions of KEKs above it."""
    root: str | None
    """The reference of the root key at the top; None if an HSM holds the version, or the topmost KEK."""
    strength_bits: int | None
    """The lowest strength of the chain; None if one is not known. 256 for an empty chain."""


class Chains:
    """The chains of a snapshot. The chain of each wrapper is computed once."""

    def __init__(self, wrappers: Mapping[str, Wrapper]) -> None:
        """Take the versions of KEKs by their ids."""
        self._wrappers = wrappers
        self._above: dict[str, Chain] = {}

    def of(self, version: Version) -> Chain:
        """Return the chain above a version, empty for a destroyed version. Raises nothing."""
        if version.destroyed_at is not None:
            return Chain(0, None, None)
        return self._chain(version.wrapped_by, version.wrapping_key_ref)

    def name(self, wrapper: str | None) -> str | None:
        """Return a wrapper as KEY:NUMBER; None for none, or one that is not there."""
        found = self._wrappers.get(wrapper or "")
        return None if found is None else f"{found.key_id}:{found.number}"

    def _chain(self, wrapped_by: str | None, root: str | None) -> Chain:
        """Walk up, since a chain may have any length, and down again with the strengths."""
        path: list[tuple[str, Wrapper]] = []
        seen: set[str] = set()
        above = Chain(0, root, ROOT_STRENGTH_BITS)
        while wrapped_by is not None:
            if (known := self._above.get(wrapped_by)) is not None:
                above = known
                break
            wrapper = self._wrappers.get(wrapped_by)
            if wrapper is None or wrapped_by in seen:  # the rules of the schema allow neither
                above = Chain(0, None, None)
                break
            seen.add(wrapped_by)
            path.append((wrapped_by, wrapper))
            wrapped_by, above = wrapper.wrapped_by, Chain(0, wrapper.wrapping_key_ref, ROOT_STRENGTH_BITS)
        for identity, wrapper in reversed(path):
            own = rate(wrapper.algorithm, wrapper.key_size_bits).strength_bits
            lowest = None if own is None or above.strength_bits is None else min(own, above.strength_bits)
            above = self._above[identity] = Chain(above.depth + 1, above.root, lowest)
        return above
