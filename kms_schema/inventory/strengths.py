"""The security strength of keys by NIST SP 800-57 Part 1 Rev. 5, section 5.6.1, from the name of the algorithm."""

import re
from typing import NamedTuple

_OF_FACTORING = ((15360, 256), (7680, 192), (3072, 128), (2048, 112), (1024, 80))
_OF_CURVES = ((512, 256), (384, 192), (256, 128), (224, 112), (160, 80))
"""Least size of the modulus, or of the order of the curve, with its bits of security: Table 2 of SP 800-57."""
_OF_NAMED_CURVES = {"ED25519": 128, "X25519": 128, "ED448": 224, "X448": 224}
"""SP 800-186, section 3.1.2."""
_CATEGORIES = {128: 1, 192: 3, 256: 5}
"""The categories of NIST for quantum computers, of a block cipher with a key of these bits."""
_SYMMETRIC = re.compile(r"X?AES")
_FACTORING = re.compile(r"RSA|DSA|DH|FFDH")
_CURVES = re.compile(r"EC|P-?\d|SECP|BRAINPOOL")
_MODES = ("gcm", "ccm", "cbc", "ctr", "cfb", "ofb", "ecb")
_ENCRYPTING = ("encrypt", "decrypt")
_PRIMITIVES: tuple[tuple[tuple[str, ...], str, tuple[str, ...]], ...] = (
    (("HMAC",), "mac", ("tag", "keyderive")),
    (("SHA",), "hash", ("digest",)),
    (("RSA",), "pke", ("unknown",)),
    (("ECDH", "X25519", "X448", "DH", "FFDH"), "key-agree", ("keyderive",)),
    (("EC", "ED", "DSA", "P-", "SECP", "BRAINPOOL"), "signature", ("sign", "verify")),
)
"""Beginnings of names, with the primitive and the functions."""
_NUMBER = re.compile(r"\d{3,5}")


class Algorithm(NamedTuple):
    """An algorithm with the size of its key, as CycloneDX describes algorithms."""

    name: str
    size_bits: int
    """The bits of the key."""
    strength_bits: int | None
    """Bits of security; None for an algorithm that SP 800-57 does not rate, or whose size is not known."""
    quantum_category: int | None
    """Of NIST: 0 for none, 1, 3 or 5; None if it is not known."""
    primitive: str
    mode: str | None
    functions: tuple[str, ...]

    @property
    def is_asymmetric(self) -> bool:
        """True if keys of this algorithm have a public part."""
        return self.primitive in {"pke", "signature", "key-agree"}

    @property
    def ref(self) -> str:
        """The name within a document."""
        return f"algorithm:{self.name}:{self.size_bits}"


def rate(name: str, key_size_bits: int, *, size_is_known: bool = True) -> Algorithm:
    """Return an algorithm with its strength.

    - `name`: of the algorithm, such as `AES-256-GCM`, `RSA-3072` or `ECDSA-P256`; any other is not rated
    - `key_size_bits`: the bits of the key. A number in the name counts as well: for AES the lower of both, for RSA and
      curves the number in the name
    - `size_is_known`: False if `key_size_bits` is the length of an encoding, as of a private key in PKCS#8

    Raises nothing. Example::

        rate("AES-256-GCM", 256).strength_bits  # 256
    """
    upper = name.upper()
    number = next((int(found) for found in _NUMBER.findall(upper)), None)
    primitive, mode, functions = _described(upper)
    strength = category = None
    if upper.startswith("SHA-"):
        strength = None if number is None else number // 2
    elif upper.startswith("HMAC"):
        strength = key_size_bits if number is None else min(number, key_size_bits)
    elif _SYMMETRIC.match(upper):
        size = key_size_bits if number is None else min(number, key_size_bits)
        strength = max((bits for bits in _CATEGORIES if bits <= size), default=None)
        category = None if strength is None else _CATEGORIES[strength]
    elif upper.startswith(("3DES", "3TDEA", "DES-EDE3")):
        strength = 112
    elif upper in _OF_NAMED_CURVES:
        strength, category = _OF_NAMED_CURVES[upper], 0
    elif _CURVES.match(upper) or _FACTORING.match(upper):
        size = number if number is not None else key_size_bits if size_is_known else 0
        table = _OF_CURVES if _CURVES.match(upper) else _OF_FACTORING
        strength = next((bits for least, bits in table if size >= least), None)
        category = 0
    return Algorithm(name, key_size_bits, strength, category, primitive, mode, functions)


def _described(upper: str) -> tuple[str, str | None, tuple[str, ...]]:
    """Return primitive, mode and functions in the terms of CycloneDX; `unknown` for any other name."""
    mode = next((each for each in _MODES if each.upper() in upper), None)
    if mode in {"gcm", "ccm"}:
        return "ae", mode, _ENCRYPTING
    if "AES" in upper or "DES" in upper:
        if upper.endswith(("KW", "KWP")):
            return "block-cipher", "other", _ENCRYPTING
        return "block-cipher", mode, ("other",) if mode is None else _ENCRYPTING
    found = ((primitive, functions) for names, primitive, functions in _PRIMITIVES if upper.startswith(names))
    primitive, functions = next(found, ("unknown", ("unknown",)))
    return primitive, None, functions
