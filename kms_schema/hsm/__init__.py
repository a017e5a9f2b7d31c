"""Keys that are made, used and destroyed in an HSM, and the configurations of HSMs.

See the page "keyring" of the documentation.

The modules that speak to tokens need the extra `kms-schema[pkcs11]`; `Hsms` imports them when a token is used.
"""

from kms_schema.hsm.errors import HsmError, MissingObjectError

__all__ = ["HsmError", "MissingObjectError"]
