"""The column type of encrypted material, which refuses plaintext before it is part of a statement."""

from typing import Any, ClassVar

import sqlalchemy as sa
from sqlalchemy.exc import DontWrapMixin
from sqlalchemy.types import TypeDecorator, TypeEngine

from kms_schema.envelope_format import EnvelopeFormat, NotAnEnvelopeError, format_of


class PossiblePlaintextError(NotAnEnvelopeError, DontWrapMixin):
    """A value for a column of envelopes is not an envelope.

    SQLAlchemy does not wrap this error: a `StatementError` would quote the parameters. A violated constraint would
    quote the whole row, also in the server's log.
    """


class EnvelopeBytes(TypeDecorator[bytes]):
    """Bytes that are an envelope of one of `formats`; other values raise `PossiblePlaintextError` before they are sent.

    Stored values are returned unchecked, so that damaged rows can be examined.
    """

    impl: TypeEngine[Any] | type[TypeEngine[Any]] = sa.LargeBinary
    cache_ok: bool | None = True
    autogenerate_as: ClassVar[str] = "LargeBinary()"

    def __init__(self, *formats: EnvelopeFormat) -> None:
        """Accept envelopes of these formats."""
        super().__init__()
        self.formats = formats

    def process_bind_param(self, value: bytes | None, dialect: sa.Dialect) -> bytes | None:
        """Return the envelope. Raises `PossiblePlaintextError`, which does not quote it."""
        del dialect  # both engines store the same bytes
        if value is None:
            return None
        if not isinstance(value, bytes | bytearray | memoryview):
            raise PossiblePlaintextError(f"no envelope: {type(value).__name__}, not bytes; see kms_schema.crypto")
        envelope = bytes(value)
        try:
            found = format_of(envelope)
        except NotAnEnvelopeError as error:
            raise PossiblePlaintextError(f"{error}; see kms_schema.crypto") from None
        if found not in self.formats:
            raise PossiblePlaintextError(f"no envelope of this column: it does not accept {found.algorithm}")
        return envelope

    def coerce_compared_value(self, op: Any, value: Any) -> Any:
        """Compare with any bytes, since a condition stores nothing."""
        return self.impl_instance.coerce_compared_value(op, value)
