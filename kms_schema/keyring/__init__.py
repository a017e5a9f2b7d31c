"""Keys that applications use. `formats` has the bytes of ciphertexts: see docs/ciphertexts.md."""
