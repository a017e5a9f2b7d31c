"""Why no SQL can put something right, in a comment that stands where the SQL would."""

from collections.abc import Mapping

NO_STATEMENT = "-- no statement mends this: "
"""How the comment begins, in SQL."""

_REASONS: Mapping[str, str] = {
    "KMS002": "run: kms-schema upgrade",
    "KMS003": "the history is ahead of this package or another application's: validate with the package that it is of",
    "KMS005": "run: kms-schema upgrade",
    "KMS101": "rows are gone: restore them from a backup; if the table goes by another name now, give it its own",
    "KMS102": "it is for its owner to say what it is for",
    "KMS103": "the table has to be made anew, or restored from a backup",
    "KMS111": "what the column held is gone: restore it from a backup",
    "KMS232": "the host's, and allowed",
    "KMS304": "the table has to be made anew",
    "KMS411": "let a role own the schema that cannot log in",
    "KMS412": "whoever owns the database is a member of pg_database_owner: let another role own the tables",
    "KMS414": "a server has to have superusers: see to it that they are few",
    "KMS401": "ALTER SYSTEM RESET session_replication_role, or take it out of the server's configuration, and reload",
    "KMS441": "what is open is found, by this and by kms-schema audit verify with a checkpoint from outside",
    "KMS442": "as a superuser, run: kms-schema harden --apply",
    "KMS443": "ALTER SYSTEM RESET event_triggers, or take it out of the server's configuration, and reload",
    "KMS416": "revoke what ALTER DEFAULT PRIVILEGES granted, unless it is meant",
    "KMS417": "whether it belongs there is for the host to say",
    "KMS418": "whether it belongs there is for the host to say",
    "KMS436": "whether it belongs there is for its owner to say",
    "KMS437": "SECURITY LABEL … IS NULL takes it away where its provider is loaded, if it is not meant",
    "KMS501": "which rows are right, no statement can say",
    **dict.fromkeys(
        ("KMS511", "KMS512", "KMS513", "KMS514", "KMS515"),
        "keep a copy as evidence, run kms-schema audit verify with a checkpoint from outside, and see who could do it",
    ),
    **dict.fromkeys(
        ("KMS521", "KMS523"),
        "see which of them still open, and put back from a backup what does not; which is right, no statement can say",
    ),
    "KMS522": "put the wrapper back from a backup, or destroy what is lost",
    **dict.fromkeys(
        ("KMS524", "KMS525"),
        "look at what wrote these rows, then make the keys anew and rotate to them: wrapping again does not undo it",
    ),
    **dict.fromkeys(
        ("KMS601", "KMS602", "KMS603", "KMS604"),
        "what mends the other findings mends this; if there is none, something outside the schema does it",
    ),
    "KMS901": "give the role the right that is missing",
    "KMS902": "it is for its owner to say what it is for",
}


def by_hand(code: str) -> str:
    """Return a comment in SQL for a finding that no statement can mend."""
    return f"{NO_STATEMENT}{_REASONS.get(code, 'it has to be made anew, or restored from a backup')}"
