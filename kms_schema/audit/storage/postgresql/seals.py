"""The seals of a trail in PostgreSQL."""

from collections.abc import Sequence
from typing import Any, ClassVar

from kms_schema.audit.storage.seals import COLUMNS, Seals
from kms_schema.database.lock_holders import described, sealing

# In a database of the encoding SQL_ASCII a text can be any bytes: the server refuses to send them as UTF-8.
_TEXT = "convert_to({0}, CASE getdatabaseencoding() WHEN 'SQL_ASCII' THEN 'SQL_ASCII' ELSE 'UTF8' END)"
_TEXTS = tuple(COLUMNS.index(column) for column in ("origin", "verifier_key", "next_key"))
_SELECTED = {column: _TEXT.format(column) for column in ("origin", "verifier_key", "next_key")} | {
    "sealed_at": "to_char(sealed_at AT TIME ZONE 'UTC', 'YYYY-MM-DD\"T\"HH24:MI:SS.US\"Z\"')",
    "open_gaps": "textin(jsonb_out(open_gaps))",
}


class PostgresqlSeals(Seals):
    """Reads and writes `key_audit_seals`, and locks it for one sealer."""

    selected: ClassVar[str] = ", ".join(_SELECTED.get(column, column) for column in COLUMNS)

    def lock(self) -> bool:
        """Let no other session seal this trail until the transaction ends; return False if one does already."""
        (locked,) = self._session.row(f"SELECT {self._session.schema}.lock_key_audit_seals()")
        return bool(locked)

    def lock_holder(self) -> str:
        """Return the session that seals, in brackets, as far as this role can read."""
        rows = self._session.rows(sealing(f"{self._session.schema}.key_audit_seals"))
        return described(rows[0] if rows else None)

    def _with_texts(self, row: Sequence[Any]) -> Sequence[Any]:
        """Return a row with its texts; bytes that are not UTF-8 become characters that no seal can have."""
        return [
            bytes(value).decode("utf-8", "surrogateescape") if at in _TEXTS and value is not None else value
            for at, value in enumerate(row)
        ]
