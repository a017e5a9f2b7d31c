"""The entries that the database writes about changes, as SQL: their types and forms, and the statuses they prove."""

from kms_schema.vocabulary import KeyStatus, RecordedEvent, UseEvent, statuses_before

_LOOK_ALIKE = (("0", "O"), ("1", "I"), ("L", "I"), ("_", ""), (".", ""), (":", ""), ("-", ""), ("RN", "M"), ("VV", "W"))
"""The characters that `guard_key_audit_log_insert_event` treats alike, in the order of their replacement."""

_FORMS = {
    "KEY_": "key",
    "VERSION_": "version",
    "ROTATION_": "rotation",
    "RETENTION_": "retention",
    "TRAIL_": "tombstone",
    "RIGHTS_": "privileges",
}
"""The form of the document, by the beginning of the type; others are of the form `row`."""

_STATUS_OF = {
    RecordedEvent.KEY_ACTIVATED: KeyStatus.ACTIVE,
    RecordedEvent.KEY_ROTATED: KeyStatus.ROTATED,
    RecordedEvent.KEY_EXPIRED: KeyStatus.EXPIRED,
    RecordedEvent.KEY_REVOKED: KeyStatus.REVOKED,
    RecordedEvent.KEY_ARCHIVED: KeyStatus.ARCHIVED,
}


def literals(texts: "list[str] | tuple[str, ...]") -> str:
    """Return names of this package as a list of SQL literals. None has a quote."""
    return ", ".join(f"'{text}'" for text in texts)


def uses() -> str:
    """Return the types of entries about the use of keys."""
    return literals([event.value for event in UseEvent])


def changes() -> str:
    """Return the types of entries that the database writes about keys, versions and rotations."""
    return literals([event.value for event in RecordedEvent if event.startswith(("KEY_", "VERSION_", "ROTATION_"))])


def known_types() -> str:
    """Return a row of each type: its category, level, form, and whether it has a key: `yes`, `no` or `any`."""
    rows = [
        (event.value, event.category.value, event.security_level.value, _form(event), _keyed(event))
        for event in RecordedEvent
    ]
    used = UseEvent.KEY_USED
    rows.append((used.value, used.category.value, used.security_level.value, "use", "yes"))
    return ", ".join(f"({literals(row)})" for row in rows)


def possible_statuses() -> str:
    """Return a row of each type about a status of a key and each status that the key can have afterwards."""
    return ", ".join(
        f"({literals((event.value, status.value))})"
        for event, reached in _STATUS_OF.items()
        for status in KeyStatus
        if status is reached or reached in statuses_before(status)
    )


def folded_types() -> str:
    """Return the types of recorded changes as the expression of `folding` returns them."""
    return literals([_folded(event.value) for event in RecordedEvent])


def folding() -> tuple[str, str]:
    """Return what stands before and after a type in an expression that is the same for types that look alike."""
    replacements = (f", '{old}', '{new}')" for old, new in _LOOK_ALIKE)
    return "replace(" * len(_LOOK_ALIKE), "".join(replacements)


def _folded(text: str) -> str:
    for old, new in _LOOK_ALIKE:
        text = text.replace(old, new)
    return text


def _form(event: RecordedEvent) -> str:
    return next((form for begin, form in _FORMS.items() if event.startswith(begin)), "row")


def _keyed(event: RecordedEvent) -> str:
    if _form(event) not in ("key", "version", "rotation") or event.endswith(("_CREATED", "_DELETED")):
        return "no"
    # A retry of a rotation has the key, a request for one does not.
    return "any" if event is RecordedEvent.ROTATION_SCHEDULED else "yes"
