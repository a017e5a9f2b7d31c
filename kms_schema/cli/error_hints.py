"""The hints for an error, by the SQLSTATE of the server or the message of SQLite."""

from collections.abc import Mapping

import click

_AGAIN = "run this again"
_BESIDE = "to read it, SQLite writes files next to it: run this as a user who may, or on a copy of all its files"

_BY_SQLSTATE: Mapping[str, str] = {
    "55P03": f"another session holds an exclusive lock, for an ALTER TABLE or a REFRESH: {_AGAIN} after it",
    "57014": f"the statement was cancelled, or statement_timeout expired: {_AGAIN} when the server is less busy",
    "57P01": f"the connection was terminated, or the server is shutting down: {_AGAIN}",
    "57P02": f"the server crashed: {_AGAIN} after its recovery",
    "57P05": f"idle_session_timeout is set for this role: {_AGAIN} as another role",
    "25P03": f"the program was suspended: {_AGAIN}",
    "42703": "upgrade the database to the newest revision: kms-schema upgrade",
    "42P01": "the schema is not here, or the database is not migrated: kms-schema current shows the revision",
}
_BY_MESSAGE: Mapping[str, str] = {
    "attempt to write a readonly database": f"it has a write-ahead log, or the journal of a crash; {_BESIDE}",
    "unable to open database file": f"this user may not read it, or it has a write-ahead log; {_BESIDE}",
    "due to lock timeout": f"another session has the lock: {_AGAIN} after it",
    "database is locked": f"another process holds its lock: {_AGAIN} after it",
    "not authorized": "a trigger or view of the file tried to write through this program: kms-schema validate names it",
    "no such column": "upgrade the database to the newest revision: kms-schema upgrade",
    "malformed": "restore the file from a backup",
    "file is not a database": "name another file",
    "server closed the connection": f"it was ended, or the server crashed: {_AGAIN}",
}

_NOT_PERMITTED = "42501"
_ROLES: Mapping[str, str] = {
    "audit": "kms_auditor",
    "audit append": "kms_app",
    "audit retain": "kms_retention and of kms_sealer",
    "audit seal": "kms_sealer",
    "destroy-version": "kms_rotator",
    "hsm": "kms_admin",
    "hsm check": "kms_rotator",
    "keys": "the roles that kms-schema keys COMMAND --help names",
    "policies": "kms_admin",
    "preflight": "kms_auditor",
    "reencrypt": "kms_app",
    "refresh": "kms_sealer",
    "rewrap": "kms_rotator",
    "roots": "kms_rotator",
    "rotations": "kms_rotator",
    "validate": "kms_auditor",
}
"""The group roles whose members may run a command, by the beginning of its name."""

_OTHERS: Mapping[str, str] = {
    "harden": "a superuser",
    "roles": "a superuser, or as the owner of the tables with CREATEROLE",
}


def with_hint(message: str, sqlstate: str | None = None) -> str:
    """Return the message, with what to do if that is known."""
    hints = (hint for text, hint in _BY_MESSAGE.items() if text in message)
    hint = _privilege() if sqlstate == _NOT_PERMITTED else _BY_SQLSTATE.get(sqlstate or "") or next(hints, "")
    return f"{message}; {hint}" if hint else message


def _privilege() -> str:
    """Return what gives a login the privileges that the command of this context needs."""
    words: list[str] = []
    context = click.get_current_context(silent=True)
    while context is not None and context.parent is not None:
        words.insert(0, context.command.name or "")
        context = context.parent
    role = _ROLES.get(" ".join(words)) or _ROLES.get(words[0] if words else "")
    if role is None:
        return f"run this as {_OTHERS.get(words[0] if words else '', 'the owner of the tables, or as a superuser')}"
    return f"run this as a member of {role}: kms-schema roles --apply makes the roles, GRANT adds a member"
