"""The bits of security of an algorithm and key size, after SP 800-57 Part 1 Rev. 5, section 5.6.1."""

import re

LEAST = 112
"""The bits below which SP 800-131A Rev. 2 disallows an algorithm for new protection."""

_FACTORING = ((15360, 256), (7680, 192), (3072, 128), (2048, 112), (1024, 80))
_SYMMETRIC = re.compile(r"AES|HMAC|CHACHA|CAMELLIA|ARIA|SM4|KMAC", re.IGNORECASE)
_OF_FACTORING = re.compile(r"RSA|(^|[^A-Z])DSA|(^|[^A-Z])DH|DIFFIE|FFDH|ELGAMAL", re.IGNORECASE)
_OF_CURVES = re.compile(
    r"^EC|ECDSA|ECDH|ED25519|ED448|X25519|X448|P-?(256|384|521)|SECP|CURVE|BRAINPOOL", re.IGNORECASE
)
_TRIPLE_DES = re.compile(r"3DES|TDEA|TRIPLE|DES-?EDE", re.IGNORECASE)
_POST_QUANTUM = {
    "ML-KEM-512": 128, "ML-KEM-768": 192, "ML-KEM-1024": 256, "ML-DSA-44": 128, "ML-DSA-65": 192, "ML-DSA-87": 256,
}  # fmt: skip


def bits_of_security(algorithm: str, key_size_bits: int) -> int | None:
    """Return the bits of security of a key, None for an algorithm that is not known here.

    algorithm: as `key_masters.algorithm` has it. key_size_bits: the size of the key, of RSA that of the modulus.

        assert bits_of_security("RSA-2048", 2048) == 112
    """
    for name, bits in _POST_QUANTUM.items():
        if name in algorithm.upper():
            return bits
    if _TRIPLE_DES.search(algorithm):
        return 112 if key_size_bits >= 168 else 80
    if _OF_CURVES.search(algorithm):
        return key_size_bits // 2
    if _OF_FACTORING.search(algorithm):
        return next((bits for size, bits in _FACTORING if key_size_bits >= size), 0)
    return key_size_bits if _SYMMETRIC.search(algorithm) else None
