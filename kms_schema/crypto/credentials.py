"""The credentials of an HSM: JSON inside an envelope, a dictionary outside."""

import json
from typing import Any, Self

from kms_schema.crypto.errors import MaterialError, OpeningRefusedError
from kms_schema.crypto.secret import Secret


class Credentials(dict[str, Any]):
    """A dictionary whose `repr` shows the names of its members, and never their values.

    Its values are Python strings, which cannot be wiped: drop it as soon as the login at the HSM is done.
    """

    def secret(self) -> Secret:
        """Return the credentials as JSON. Raises `MaterialError`, without a value, if JSON cannot express them."""
        try:
            text = json.dumps(self, separators=(",", ":"), sort_keys=True, allow_nan=False)
        except (TypeError, ValueError):
            text = None
        if text is None:  # outside the handler: the error of json would be the context, and quotes the value
            raise MaterialError("credentials are values of JSON: texts, numbers, lists and dictionaries")
        return Secret(bytearray(text.encode()))

    @classmethod
    def of(cls, secret: Secret) -> Self:
        """Return the credentials that `secret` wrote. Raises `OpeningRefusedError` if it is not a JSON object."""
        try:
            members = json.loads(bytes(secret.view))
        except ValueError:
            members = None
        if not isinstance(members, dict):
            raise OpeningRefusedError("the envelope opens, but does not contain credentials")
        return cls(members)

    def __repr__(self) -> str:
        """Show the names of the members only."""
        return f"<{type(self).__name__}: {', '.join(map(str, self)) or 'none'}>"

    __str__ = __repr__
