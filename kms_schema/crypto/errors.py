"""What can go wrong. No message quotes material, a key, a credential, or bytes that may be one of them."""


class CryptoError(Exception):
    """The root of all that this package raises by itself."""


class OpeningRefusedError(CryptoError):
    """An envelope does not open: it was changed or moved, or it was made under another key."""


class CheckValueError(OpeningRefusedError):
    """An envelope opens, but what is in it has another key check value than the row says."""


class NoMaterialError(CryptoError):
    """The row has no envelope: its key is held in an HSM, the version is destroyed, or no credentials are stored."""


class WrappingKeyError(CryptoError):
    """This key cannot wrap: no provider has it, it is no AES-256 key encryption key, or it is destroyed."""


class WrapperError(CryptoError):
    """Nothing can be moved from or to this wrapper: unknown, destroyed, not in use, or one is under the other."""


class DependentsError(CryptoError):
    """A version cannot be destroyed: it is live, destroyed already, or something is still wrapped by it."""


class MaterialError(CryptoError, ValueError):
    """This material cannot be stored for this key: it has another length, or there is nothing in it."""


class RootKeyError(CryptoError, ValueError):
    """A root key cannot be had from its file or variable: not there, not a key, or open to others."""
