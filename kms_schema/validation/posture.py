"""Who could get past the guards although everything is as the package made it: findings from rows of `posture.sql`."""

from collections.abc import Iterable

from kms_schema.validation.findings import Finding, severity_of

POSTURE = {
    "KMS401": "triggers that are not ALWAYS, foreign keys among them, do not run in these sessions",
    "KMS402": "whoever has the owner's role writes audit entries with an id, a time and a name of their choosing",
    "KMS411": "whoever has its password can alter the tables and switch off what guards them; let a role own them that"
    " cannot log in",
    "KMS412": "it can act as the owner: alter the tables, and switch off what guards them",
    "KMS413": "an object of somebody else's can stand where a program that names no schema looks first",
    "KMS414": "they can do anything here, unnoticed by any trigger; only evidence kept elsewhere shows what they did",
    "KMS415": "its objects can stand where a program that names no schema looks first",
    "KMS416": "what a later upgrade makes does not have the rights that the package says",
    "KMS417": "it runs inside every upgrade, and can change or refuse what that makes",
    "KMS418": "rows leave the database for whoever may subscribe, wrapped key material and audit entries among them",
}
"""What each of these codes means."""

_EXPECTED = {
    "KMS401": "no such setting",
    "KMS402": "no such setting",
    "KMS411": "an owner that does not log in",
    "KMS412": "no members of the owner",
    "KMS413": "no CREATE for PUBLIC",
    "KMS414": "as few as can be",
    "KMS415": "CREATE for the owner alone",
    "KMS416": "no default privileges",
    "KMS417": "none, or one that is known",
    "KMS418": "no publication of these tables",
}


def posture_findings(rows: Iterable[tuple[str, str, str]]) -> tuple[Finding, ...]:
    """Return a finding for each row of code, object and what was seen."""
    return tuple(
        Finding(code, severity_of(code), about, _EXPECTED[code], seen, POSTURE[code], _mend(code, about, seen))
        for code, about, seen in rows
    )


def _mend(code: str, about: str, seen: str) -> str | None:
    match code:
        case "KMS412":
            return f"REVOKE {seen.removeprefix('a member of ')} FROM {about.removeprefix('role ')};"
        case "KMS413" | "KMS415":
            role = seen.removesuffix(" may create objects in it").removeprefix("role ").replace("everyone", "PUBLIC")
            return f"REVOKE CREATE ON SCHEMA {about.removeprefix('schema ')} FROM {role};"
        case "KMS401" | "KMS402":
            return _reset(about.removeprefix("setting of "), seen.partition("=")[0])
    return None


def _reset(scope: str, name: str) -> str | None:
    who, _, where = scope.partition(" in database ")
    if who == "the server":
        return None
    if who == "every role":
        return f"ALTER DATABASE {where} RESET {name};" if where else f"ALTER ROLE ALL RESET {name};"
    return f"ALTER {who.upper()[:4]}{who[4:]}{f' IN DATABASE {where}' if where else ''} RESET {name};"
