"""Errors of HSMs and of keys in them. None contains a PIN, a key, or the text of a URI."""

from typing import Literal

from kms_schema.crypto.errors import CryptoError


class HsmError(CryptoError):
    """An HSM or its configuration cannot be used; the message says what to do.

    - `unknown_hsm`, `hsm_exists`: the database has no configuration, or has one, with this name
    - `values_refused`: the database refuses the values of a configuration; the message names the rule
    - `disabled`: it is disabled, or requires two people at each login
    - `no_uri`: this process was given no URI for it
    - `no_stored_pin`: the stored credentials have no PIN, or this login may not read them
    - `missing_extra`: the library for tokens is not installed
    - `unfit_token`: the token does not encrypt as a key ring needs it, which a trial has shown
    """

    reason: (
        Literal[
            "unknown_hsm", "hsm_exists", "values_refused", "disabled", "no_uri", "no_stored_pin", "missing_extra",
            "unfit_token", "handle",
        ]
        | None
    )  # fmt: skip


class MissingObjectError(HsmError):
    """The token has no object of the version: it has no such object, or the ring did not make its `handle`."""
