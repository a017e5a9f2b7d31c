"""The credentials of an HSM: JSON in an envelope, a dictionary outside."""

import json
from typing import Any, Self

from kms_schema.crypto.errors import MaterialError, OpeningRefusedError
from kms_schema.crypto.secret import Secret


class Credentials(dict[str, Any]):
    """A dictionary that shows the names of its members, and never their values.

    Its values are Python's own texts, which nobody can wipe: drop it as soon as the HSM has been logged in to.
    """

    def secret(self) -> Secret:
        """Return it as JSON. Raises `MaterialError` where JSON cannot say it, without quoting it."""
        try:
            text = json.dumps(self, separators=(",", ":"), sort_keys=True, allow_nan=False)
        except (TypeError, ValueError):
            text = None
        if text is None:  # outside the handler: json's own error would be the context, and quotes what it stumbled over
            raise MaterialError("credentials are what JSON can say: texts, numbers, lists and dictionaries")
        return Secret(bytearray(text.encode()))

    @classmethod
    def of(cls, secret: Secret) -> Self:
        """Return what `secret` made. Raises `OpeningRefusedError` where it is no JSON object."""
        try:
            members = json.loads(bytes(secret.view))
        except ValueError:
            members = None
        if not isinstance(members, dict):
            raise OpeningRefusedError("the envelope opens, but what is in it are no credentials")
        return cls(members)

    def __repr__(self) -> str:
        """Name the members and no more."""
        return f"<{type(self).__name__}: {', '.join(map(str, self)) or 'none'}>"

    __str__ = __repr__
