"""The envelopes: the checks of encrypted material that need no key, beyond the length that a trigger checks.

An envelope that two rows have was copied, and a nonce that occurs twice was not random. Text is not ciphertext, and a
version whose wrappers lead to no key is lost. Each check is one query, which reads every envelope a few times at most.
Findings name rows, never bytes. `kms-schema rewrap --dry-run --verify` opens the envelopes with the wrapping key.
"""

from collections.abc import Iterator

from kms_schema.envelope_format import EnvelopeFormat
from kms_schema.reading.queries import Queries

LEAST_JUDGED = 24
"""The least number of bytes of ciphertext that are checked for text.

98 of 256 bytes are printable ASCII, tab, line feed or carriage return: that 24 random ones all are has a probability
of (98/256)^24 = 1e-10, so one of ten thousand databases with a million envelopes of this length has a false warning.
Of a 256-bit key, 32 bytes are checked in AES-256-GCM (5e-14), 40 in AES-256-KWP (2e-17). A tag or a nonce of zeros by
chance adds 2^-96 or less.
"""

VERSIONS, CONFIGURATIONS = "key_versions", "hsm_configurations"

_GCM, _KWP = EnvelopeFormat.AES_256_GCM, EnvelopeFormat.AES_256_KWP
_QUERIES = Queries(
    __file__,
    least_judged=LEAST_JUDGED,
    gcm_format=int(_GCM),
    kwp_format=int(_KWP),
    gcm_name=_GCM.algorithm,
    kwp_name=_KWP.algorithm,
)

_OF_VERSIONS = tuple(f"column {VERSIONS}.{name}" for name in ("id", "key_id", "version_number", "encrypted_key_data"))
_OF_MASTERS = ("column key_masters.id", "column key_masters.key_id")
_OF_DESCRIPTIONS = (f"column {VERSIONS}.encryption_metadata",)
_OF_WRAPPERS = tuple(f"column {VERSIONS}.{name}" for name in ("wrapped_by_version_id", "wrapping_key_ref"))
_OF_CONFIGURATIONS = tuple(
    f"column {CONFIGURATIONS}.{name}" for name in ("id", "configuration_name", "authentication_config")
)
_OF_CREDENTIALS = (*_OF_CONFIGURATIONS, f"column {CONFIGURATIONS}.wrapping_key_ref")
_OF_STATES = (
    f"column {VERSIONS}.destroyed_at", "column key_masters.key_type", "column key_masters.hsm_key_id",
)  # fmt: skip

WANTED: dict[str, tuple[str, str, tuple[str, ...]]] = {
    "KMS521": ("envelopes of the format in encryption_metadata", "described_as_another", _OF_DESCRIPTIONS),
    "KMS522": ("wrappers that lead to a root key or an HSM", "wrapped_by_nothing", _OF_WRAPPERS + _OF_STATES),
    "KMS523": ("an envelope for each row", "same_envelope", _OF_CONFIGURATIONS),
    "KMS524": ("a nonce for each envelope under a wrapper", "same_nonce", (*_OF_WRAPPERS, *_OF_CREDENTIALS)),
    "KMS525": ("envelopes that look like ciphertext", "like_plaintext", _OF_CONFIGURATIONS),
}  # fmt: skip
"""By code: what is expected, the query of the violations (name, problem), and what else it reads."""


def envelope_queries(engine: str, schema: str) -> Iterator[tuple[str, str, str, tuple[str, ...]]]:
    """Yield the code, what is expected, the query and the objects that it reads; `schema` is PostgreSQL's, unquoted."""
    for code, (wanted, query, reads) in WANTED.items():
        yield code, wanted, _QUERIES.render(query, engine, schema), (*_OF_VERSIONS, *_OF_MASTERS, *reads)
