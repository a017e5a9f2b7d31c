"""The contents of all formats: each version with its state, strength and custody, and the totals of a document."""

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from functools import cache
from typing import NamedTuple

from kms_schema.inventory.chains import Chain, Chains
from kms_schema.inventory.reading import Reader
from kms_schema.inventory.rows import Head, Hsm, Key, Version
from kms_schema.inventory.states import MaterialState, VersionState, material_state, version_state
from kms_schema.inventory.strengths import Algorithm, rate
from kms_schema.vocabulary import KeyType

SEALS = ("Ed25519", 256, "signature of seals")
LEAVES = ("SHA-256", 256, "hash of audit entries")
DERIVATION = ("HMAC-SHA-256", 256, "key derivation by a root key")

NOT_PROVABLE = (
    "Keys, versions and HSMs are read from tables in one snapshot. Their contents cannot be proven offline. The"
    " checkpoint is that of the audit log in the same snapshot."
)

_rate = cache(rate)


def wrapping(version: Version) -> Algorithm:
    """Return the algorithm of a version's envelope. Raises nothing."""
    return _rate(version.wrapping_algorithm or "unknown", 256)


class Described(NamedTuple):
    """A version, with the properties that follow from its rows."""

    version: Version
    own_state: VersionState
    state: MaterialState
    chain: Chain
    chain_strength_bits: int | None
    """The lowest strength of the version, its wrapping algorithm, and its chain; None if one is not known."""
    custody: str
    """`software`, `hsm` or `none`."""
    hsm: Hsm | None
    """The configuration of the HSM that holds it, if there still is one."""


@dataclass
class Inventory:
    """An inventory that is being written: `read_keys` is called once, and the totals afterwards."""

    head: Head
    reader: Reader
    hsms: Sequence[Hsm]
    roots: Sequence[str]
    chains: Chains
    totals: Counter[str] = field(default_factory=lambda: Counter(keys=0, versions=0))
    """Numbers of keys, versions, and versions in each state."""
    uses: Counter[tuple[str, int, str]] = field(default_factory=Counter)
    """Algorithm, size of its key and purpose, with the number of undestroyed versions."""
    under_roots: Counter[str] = field(default_factory=Counter)
    """The undestroyed versions that a root key wraps itself."""
    _rated: dict[tuple[str, int], Algorithm] = field(default_factory=dict)

    def read_keys(self) -> Iterator[tuple[Key, Algorithm, list[Described]]]:
        """Yield each key with its algorithm and versions."""
        by_name = {hsm.name: hsm for hsm in self.hsms}
        for key, versions in self.reader.keys_with_versions():
            # The size of a tls key is that of its encoding, unless an HSM holds it.
            known = key.key_type != KeyType.TLS or key.hsm_provider is not None
            algorithm = _rate(key.algorithm, key.key_size_bits, size_is_known=known)
            described = [self._describe(key, algorithm, version, by_name) for version in versions]
            self._rated.setdefault((key.algorithm, key.key_size_bits), algorithm)
            self.totals["keys"] += 1
            self.uses[key.algorithm, key.key_size_bits, key.key_type] += sum(
                each.own_state is not VersionState.DESTROYED for each in described
            )
            yield key, algorithm, described

    def algorithms(self) -> list[tuple[Algorithm, dict[str, int]]]:
        """Return the algorithms in use with their purposes, once the keys were read."""
        uses = self.uses.copy()
        if self.roots:
            uses[DERIVATION] += sum(self.under_roots.values())
        if self.head.checkpoint is not None:
            uses[LEAVES] += self.head.checkpoint.size
        if self.head.seals_signed:
            uses[SEALS] += self.head.seal_number or 0
        purposes: dict[tuple[str, int], dict[str, int]] = {}
        for (name, size, purpose), count in sorted(uses.items()):
            purposes.setdefault((name, size), {})[purpose] = count
        return [(self._rated.get(form) or _rate(*form), counts) for form, counts in purposes.items()]

    def root_name(self, reference: str) -> str:
        """Return the name of a root key in this document: its reference, or a number."""
        return reference if self.head.names else f"root-{self.roots.index(reference) + 1}"

    def wrapper_name(self, version: Version) -> str | None:
        """Return the wrapper of a version: KEY:NUMBER, the id of a version without names, or a root key."""
        if version.destroyed_at is not None:
            return None
        if version.wrapping_key_ref is not None:
            return self.root_name(version.wrapping_key_ref)
        return self.chains.name(version.wrapped_by) if self.head.names else version.wrapped_by

    def holder(self, described: Described) -> str | None:
        """Return the HSM that holds a version: its name in this document, or what its handle says of one removed."""
        if described.hsm is not None:
            return self.hsm_name(described.hsm)
        handle = described.version.handle
        return None if handle is None or not self.head.names else handle.rpartition("/")[0] or handle

    def columns(self, described: Described) -> dict[str, object]:
        """Return the values of a version in JSON and CSV, by the names of the columns."""
        version = described.version
        return {
            "id": version.id,
            "version": version.number,
            "state": described.state,
            "created_at": version.created_at,
            "activated_at": version.activated_at,
            "deactivated_at": version.deactivated_at,
            "destroyed_at": version.destroyed_at,
            "usage_count": version.usage_count,
            "data_volume_bytes": version.data_volume_bytes,
            "custody": described.custody,
            "hsm": self.holder(described),
            "wrapped_by": self.wrapper_name(version),
        }

    def key_columns(self, key: Key, algorithm: Algorithm) -> dict[str, object]:
        """Return the values of a key in JSON and CSV, by the names of the columns."""
        return {
            "name": key.key_id if self.head.names else key.id,
            "type": key.key_type,
            "algorithm": key.algorithm,
            "key_size_bits": key.key_size_bits,
            "strength_bits": algorithm.strength_bits,
            "status": key.status,
            "expires_at": key.expires_at,
        }

    def hsm_name(self, hsm: Hsm) -> str:
        """Return the name of an HSM in this document: its name, or its id."""
        return hsm.name if self.head.names else hsm.id

    def _describe(self, key: Key, algorithm: Algorithm, version: Version, by_name: dict[str, Hsm]) -> Described:
        own = version_state(version.activated_at, version.deactivated_at, version.destroyed_at)
        past = key.expires_at is not None and key.expires_at <= self.head.generated_at
        state = material_state(key.status, own, was_revoked=key.revoked_at is not None, is_past_expiry=past)
        chain = self.chains.of(version)
        strength, hsm, custody = algorithm.strength_bits, None, "none"
        self.totals["versions"] += 1
        self.totals[f"versions {state}"] += 1
        if own is VersionState.DESTROYED:
            strength = None
        elif version.handle is not None:
            custody, hsm = "hsm", by_name.get(version.handle.rpartition("/")[0])
        else:
            custody = "software"
            envelope = wrapping(version)
            self.uses[envelope.name, envelope.size_bits, "wrapping"] += 1
            links = (strength, envelope.strength_bits, chain.strength_bits)
            strength = None if None in links else min(link for link in links if link is not None)
            if version.wrapping_key_ref is not None:
                self.under_roots[version.wrapping_key_ref] += 1
        return Described(version, own, state, chain, strength, custody, hsm)
