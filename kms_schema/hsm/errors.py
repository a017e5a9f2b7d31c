"""Errors of HSMs and of keys in them. None contains a PIN, a key, or the text of a URI."""

from kms_schema.crypto.errors import CryptoError


class HsmError(CryptoError):
    """The base class."""


class UnknownHsmError(HsmError):
    """The database has no HSM configuration with this name."""


class HsmExistsError(HsmError):
    """An HSM configuration with this name exists."""


class HsmRefusedError(HsmError):
    """The database refuses the values of an HSM configuration; the message names the rule."""


class HsmDisabledError(HsmError):
    """The HSM may not be used: it is disabled, or requires two people at each login."""


class HsmNotGivenError(HsmError):
    """This process was given no URI for the HSM."""


class StoredPinError(HsmError):
    """The PIN of the stored credentials cannot be had: they have none, or this login may not read them."""


class MissingExtraError(HsmError):
    """The library for tokens is not installed."""


class HandleError(HsmError):
    """The handle of a version names no object of an HSM, or not one that the key ring made."""


class MissingObjectError(HsmError):
    """The token has no object with the handle of the version."""


class UnfitTokenError(HsmError):
    """The token does not encrypt as a key ring needs it, which a trial has shown."""
