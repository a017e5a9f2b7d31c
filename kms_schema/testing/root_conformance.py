"""Every root of trust answers with the vectors of the package, whatever computes them.

A test of a provider calls `check_root`, or `cases` for a test of each. It needs a root with a known key::

    def test_my_root_conforms() -> None:
        check_root(lambda key: MyRoot(put_into_my_store(key)))
"""

import hmac
import json
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from importlib.resources import files

from kms_schema.crypto import CryptoError, EnvelopeFormat, Root, RootKeys, Secret
from kms_schema.crypto.ciphers import derivation_message
from kms_schema.errors import KmsSchemaError

MakeRoot = Callable[[bytes], Root]
"""Makes a root with this key of 32 bytes."""

_OTHER_KEY = bytes(range(1, 33))
_SIZES = (1, 55, 56, 64, 65, 1000, 4096)
"""Lengths of messages, about the blocks of SHA-256 and up to what every root must take."""


class NonconformingRootError(KmsSchemaError, AssertionError):
    """A root answers otherwise than the vectors. No message has a derived key."""


def check_root(make: MakeRoot) -> None:
    """Run every case with a root of each case.

    make: returns a root with the given key; it is closed here. Raises `NonconformingRootError`, whose message says
    which case and why, and what the root raises. Example::

        check_root(lambda key: SecretRoot(Secret(bytearray(key))))
    """
    for _, case in cases():
        case(make)


def cases() -> Iterator[tuple[str, Callable[[MakeRoot], None]]]:
    """Yield names and functions of the cases, for a test of each. Example::

    @pytest.mark.parametrize("case", [case for _, case in cases()], ids=[name for name, _ in cases()])
    def test_my_root(case): case(make_my_root)
    """
    yield "derived keys of the vectors", _vectors
    yield "envelopes of the vectors", _envelopes
    yield "messages of every length", _lengths
    yield "keys differ", _keys_differ
    yield "threads", _threads
    yield "names and health", _names
    yield "closing", _closing


class _Made:
    """A root that is closed at the end of a block."""

    def __init__(self, make: MakeRoot, key: bytes) -> None:
        self._root = make(key)

    def __enter__(self) -> Root:
        return self._root

    def __exit__(self, *_: object) -> None:
        self._root.close()


def _stored() -> list[dict[str, str]]:
    text = files("kms_schema.crypto").joinpath("vectors.json").read_text(encoding="ascii")
    stored: list[dict[str, str]] = json.loads(text)["envelopes"]
    return stored


def _answer(root: Root, message: bytes, expected: bytes, what: str) -> None:
    with root.derive(message) as derived:
        if not isinstance(derived, Secret) or len(derived) != 32:
            raise NonconformingRootError(f"{what}: the answer is no Secret of 32 bytes, but has {len(derived)}")
        if not hmac.compare_digest(bytes(derived.view), expected):
            raise NonconformingRootError(f"{what}: the answer is not HMAC-SHA-256 of the message under the key")


def _vectors(make: MakeRoot) -> None:
    stored = _stored()
    with _Made(make, bytes.fromhex(stored[0]["wrapping_key"])) as root:
        for vector in stored:
            form = EnvelopeFormat(int(vector["envelope"][:2], 16))
            message = derivation_message(form, bytes.fromhex(vector["associated_data"]))
            _answer(root, message, bytes.fromhex(vector["derived_key"]), vector["name"])


def _envelopes(make: MakeRoot) -> None:
    stored = _stored()
    with RootKeys({"kms://root": make(bytes.fromhex(stored[0]["wrapping_key"]))}) as roots:
        for vector in stored:
            envelope, place, plaintext = (
                bytes.fromhex(vector[name]) for name in ("envelope", "associated_data", "plaintext")
            )
            made = roots.wrap("kms://root", EnvelopeFormat(envelope[0]), plaintext, place)
            for each in (envelope, made):
                with roots.unwrap("kms://root", each, place) as opened:
                    if not hmac.compare_digest(bytes(opened.view), plaintext):
                        raise NonconformingRootError(f"{vector['name']}: the envelope opens to something else")


def _lengths(make: MakeRoot) -> None:
    with _Made(make, _OTHER_KEY) as root:
        for size in _SIZES:
            message = bytes(each % 251 for each in range(size))
            _answer(root, message, hmac.digest(_OTHER_KEY, message, "sha256"), f"a message of {size} bytes")


def _keys_differ(make: MakeRoot) -> None:
    first, second = bytes(range(32)), _OTHER_KEY
    with _Made(make, first) as one, _Made(make, second) as other:
        for root, key in ((one, first), (other, second), (one, first)):
            _answer(root, b"m", hmac.digest(key, b"m", "sha256"), "two roots at once")


def _threads(make: MakeRoot) -> None:
    with _Made(make, _OTHER_KEY) as root, ThreadPoolExecutor(4) as pool:
        messages = [f"message {number}".encode() for number in range(40)]
        calls = [
            pool.submit(partial(_answer, root, each, hmac.digest(_OTHER_KEY, each, "sha256"), "four threads at once"))
            for each in messages
        ]
        for call in calls:
            call.result()


def _names(make: MakeRoot) -> None:
    with _Made(make, _OTHER_KEY) as root:
        for name in (root.type, root.key):
            if not isinstance(name, str) or not name.isprintable() or not name:
                raise NonconformingRootError("type and key are no printable names")
        shown = " ".join((root.type, root.key, repr(root), *root.health()))
        if _OTHER_KEY.hex() in shown or repr(_OTHER_KEY)[2:-1] in shown:
            raise NonconformingRootError("a name, a repr or a warning shows the key")


def _closing(make: MakeRoot) -> None:
    root = make(_OTHER_KEY)
    with RootKeys({"kms://root": root}) as roots:
        roots.wrap("kms://root", EnvelopeFormat.AES_256_GCM, b"plaintext", b"")
    root.close()  # a second time
    try:
        # A root that opens itself again may; one that does not says so by an error of ours.
        root.derive(b"message").wipe()
    except CryptoError:
        return
    finally:
        root.close()
