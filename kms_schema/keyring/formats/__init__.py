"""The bytes of ciphertexts: messages, streams and bound associated data. No module here opens a database."""
