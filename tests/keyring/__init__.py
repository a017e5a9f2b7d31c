"""The key ring, and the bytes of its ciphertexts."""
