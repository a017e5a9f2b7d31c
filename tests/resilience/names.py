"""Names as hostile as an engine takes them."""

HOSTILE = (
    '"; DROP TABLE key_masters; --',
    "'; DROP TABLE key_masters; --",
    "</script>&amp;]]>",
    "::error::a\r\nb",
    "\x1b[2J",
    "\u202eevil\u200b",
    "x" * 63,
    "$kms$",
    "%s %(name)s",
    "{name}{schema}{owner}",
    "\\",
    " ",
    "select",
    "user",
    "prevent_key_audit_log_update.prevent_key_audit_log_delete",
    "key_masters: SELECT",
    "temp.x",
    "again again",
    "é",
)


def in_quotes(name: str) -> str:
    return '"' + name.replace('"', '""') + '"'
