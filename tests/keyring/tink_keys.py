"""Keys of `tink` from PyPI, made of raw bytes."""

import io
from typing import Any

import tink
from tink import aead, secret_key_access, streaming_aead
from tink.proto import aes_gcm_hkdf_streaming_pb2, aes_gcm_pb2, tink_pb2, x_aes_gcm_pb2

aead.register()
streaming_aead.register()


def primitive(template: Any, message: Any, tag: int, kind: Any) -> Any:
    """Return the primitive of the only key of a keyset: its type and prefix are the template's, its id is `tag`."""
    data = tink_pb2.KeyData(
        type_url=template.type_url, value=message.SerializeToString(), key_material_type=tink_pb2.KeyData.SYMMETRIC
    )
    key = tink_pb2.Keyset.Key(
        key_data=data, status=tink_pb2.ENABLED, key_id=tag, output_prefix_type=template.output_prefix_type
    )
    keyset = tink_pb2.Keyset(primary_key_id=tag, key=[key]).SerializeToString()
    return tink.proto_keyset_format.parse(keyset, secret_key_access.TOKEN).primitive(kind)


def message_key(algorithm: str, tag: int, key: bytes) -> Any:
    """Return the AEAD of Tink's template for an algorithm of `key_masters`."""
    templates = aead.aead_key_templates
    if algorithm == "AES-256-GCM":
        return primitive(templates.AES256_GCM, aes_gcm_pb2.AesGcmKey(key_value=key), tag, aead.Aead)
    template = templates.XAES_256_GCM_192_BIT_NONCE
    params = x_aes_gcm_pb2.XAesGcmKeyFormat.FromString(template.value).params
    assert params.salt_size == 12
    return primitive(template, x_aes_gcm_pb2.XAesGcmKey(params=params, key_value=key), tag, aead.Aead)


def stream_key(key: bytes, segment_bytes: int | None = None) -> Any:
    """Return the streaming AEAD of Tink's template AES256_GCM_HKDF_1MB, or with other segments."""
    template = streaming_aead.streaming_aead_key_templates.AES256_GCM_HKDF_1MB
    params = aes_gcm_hkdf_streaming_pb2.AesGcmHkdfStreamingKeyFormat.FromString(template.value).params
    if segment_bytes:
        params.ciphertext_segment_size = segment_bytes
    message = aes_gcm_hkdf_streaming_pb2.AesGcmHkdfStreamingKey(params=params, key_value=key)
    return primitive(template, message, 1, streaming_aead.StreamingAead)


class _Kept(io.BytesIO):
    """A file whose content can be read after Tink has closed it."""

    content = b""

    def close(self) -> None:
        if not self.closed:
            self.content = self.getvalue()
        super().close()


def encrypted_stream(key: Any, plaintext: bytes, aad: bytes) -> bytes:
    """Return what Tink makes of a stream."""
    target = _Kept()
    with key.new_encrypting_stream(target, aad) as stream:
        stream.write(plaintext)
    return target.content


def decrypted_stream(key: Any, ciphertext: bytes, aad: bytes) -> bytes:
    """Return what Tink reads of a stream. Raises as Tink does."""
    with key.new_decrypting_stream(io.BytesIO(ciphertext), aad) as stream:
        return bytes(stream.read())
