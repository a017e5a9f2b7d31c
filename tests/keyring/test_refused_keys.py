"""Keys that cannot be created, and the error of each reason."""

import array
import datetime as dt
import secrets
from typing import Any

import pytest

from kms_schema.crypto import Secret
from kms_schema.keyring import KeyRing, KeyRingError, KeyStateError, MaterialUnavailableError, UnsupportedKeyError
from support.rows.smallest import unique


@pytest.mark.parametrize(
    ("error", "options"),
    [
        (UnsupportedKeyError, {"algorithm": "AES-256"}),
        (UnsupportedKeyError, {"key_size_bits": 128}),
        (UnsupportedKeyError, {"key_type": "tls"}),
        (UnsupportedKeyError, {"hsm": "luna"}),
        (UnsupportedKeyError, {"hsm": "luna", "under": None, "key_type": "kek"}),
        (UnsupportedKeyError, {"hsm": "luna", "under": None, "algorithm": "XAES-256-GCM"}),
        (UnsupportedKeyError, {"hsm": "luna", "under": None, "material": bytes(32)}),
        (MaterialUnavailableError, {"hsm": "luna", "under": None}),
        (TypeError, {"under": None}),
        (ValueError, {"key_type": "none"}),
        (TypeError, {"status": "revoked"}),
        *(
            (TypeError, {name: 256.0, "material": secrets.token_bytes(32)})
            for name in ("key_size_bits", "ciphertext_tag", "used", "max_usage_count")
        ),
        (TypeError, {"key_size_bits": True}),
        (MaterialUnavailableError, {"material": b"too short"}),
        (MaterialUnavailableError, {"material": bytes(32)}),
        (MaterialUnavailableError, {"material": Secret(bytearray(b"k" * 32))}),
        (TypeError, {"material": 32}),
        (TypeError, {"material": True}),
        (TypeError, {"material": "k" * 32}),
        (TypeError, {"material": [*range(32)]}),
        (TypeError, {"material": array.array("Q", range(4))}),
        (TypeError, {"material": array.array("b", range(32))}),
        (ValueError, {"activated_at": dt.datetime(2999, 1, 1, tzinfo=dt.UTC)}),
    ],
)
def test_what_cannot_be_created(ring: KeyRing, kek: str, error: type[Exception], options: dict[str, Any]) -> None:
    with pytest.raises(error) as refused:
        ring.create(unique("odd"), **{"under": kek, **options})
    if isinstance(refused.value, MaterialUnavailableError):
        assert refused.value.reason == ("hsm" if "hsm" in options else None)


@pytest.mark.parametrize(
    "options",
    [
        {"max_usage_count": 2**63},
        {"material": secrets.token_bytes(32), "used": 2**63},
        {"ciphertext_tag": 2**70},
    ],
)
def test_a_number_that_no_database_has_is_refused(ring: KeyRing, kek: str, options: dict[str, Any]) -> None:
    with pytest.raises((KeyRingError, OverflowError)) as refused:
        ring.create(unique("odd"), **{"under": kek, **options})
    assert isinstance(refused.value, KeyStateError), refused.value
    assert refused.value.reason == "status_change"
