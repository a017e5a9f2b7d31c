"""The column type of encrypted material: plaintext does not get as far as a statement."""

from typing import Any

import sqlalchemy as sa
from sqlalchemy.types import TypeDecorator

from kms_schema.envelope_format import EnvelopeFormat, NotAnEnvelopeError, format_of


class PossiblePlaintextError(NotAnEnvelopeError, sa.exc.DontWrapMixin):
    """A column of envelopes was given something else.

    SQLAlchemy does not wrap it: a `StatementError` would quote the parameters, and the database's own refusal of a
    constraint quotes the whole row, in the server's log as well.
    """


class EnvelopeBytes(TypeDecorator[bytes]):
    """Bytes that are an envelope of one of `formats`; anything else raises `PossiblePlaintextError` before it is sent.

    What is read is handed out as it is stored, so that a row which somebody has spoilt can still be looked at.
    """

    impl = sa.LargeBinary
    cache_ok = True

    def __init__(self, *formats: EnvelopeFormat) -> None:
        """Take envelopes of these formats."""
        super().__init__()
        self.formats = formats

    def process_bind_param(self, value: bytes | None, dialect: sa.Dialect) -> bytes | None:  # noqa: ARG002
        """Return the envelope. Raises `PossiblePlaintextError`, which does not quote it."""
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
            raise PossiblePlaintextError(f"no envelope of this column: it takes no {found.algorithm}")
        return envelope

    def coerce_compared_value(self, op: Any, value: Any) -> Any:
        """Compare with any bytes: a condition stores nothing."""
        return self.impl_instance.coerce_compared_value(op, value)
