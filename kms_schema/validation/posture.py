"""Who could get past the guards although everything is as the package made it: findings from rows of `posture*.sql`."""

from collections.abc import Iterable
from itertools import groupby
from typing import TypeAlias

from kms_schema.validation.findings import Finding, severity_of

Seen: TypeAlias = tuple[str, str, str, str | None]
"""A code, whom it is about, what was seen, and the SQL that ends it, where there is any."""

POSTURE = {
    "KMS401": "triggers that are not ALWAYS, foreign keys among them, do not run in these sessions",
    "KMS402": "whoever has the owner's role writes audit entries with an id, a time and a name of their choosing",
    "KMS403": "its rows come from elsewhere, and are written as session_replication_role = replica: foreign keys are"
    " not asked",
    "KMS411": "whoever has its password can alter the tables and switch off what guards them; let a role own them that"
    " cannot log in",
    "KMS412": "it can act as the owner: alter the tables, and switch off what guards them",
    "KMS413": "an object of somebody else's can stand where a program that names no schema looks first",
    "KMS414": "they can do anything here, unnoticed by any trigger; only evidence kept elsewhere shows what they did",
    "KMS415": "its objects can stand where a program that names no schema looks first",
    "KMS416": "what a later upgrade makes does not have the rights that the package says",
    "KMS417": "it runs inside every upgrade, and can change or refuse what that makes",
    "KMS418": "rows leave the database for whoever may subscribe, wrapped key material and audit entries among them",
    "KMS419": "the trail takes it for the owner: where it may INSERT, it sets kms.restore, and writes audit entries"
    " with an id, a time and a name of its choosing",
    "KMS421": "it can act as a superuser, or use what belongs to one: no guard holds it",
    "KMS422": "it runs programs or writes files as the server does, and so makes itself a superuser: no guard holds it",
    "KMS423": "it can grant itself any role but a superuser's: the owner's, or pg_execute_server_program",
    "KMS424": "it can switch off every trigger that is not ALWAYS, and so write rows that no foreign key has looked at",
    "KMS425": "it says what the server runs or loads, or who may log in as whom, and so makes itself a superuser",
    "KMS426": "it writes every table, whatever rights that gives to whom; the triggers still hold it",
    "KMS427": "it can have a subscription write into the tables that it may write: foreign keys are not asked then",
    "KMS428": "whoever owns the schema can drop what is in it: DROP FUNCTION … CASCADE takes a guard away, and no more",
    "KMS429": "it reads, and may write, with the owner's rights: rights on the tables do not hold whoever may use it",
    "KMS431": "it can drop the database with its audit trail, and set where programs that name no schema look first",
    "KMS432": "it reads every table, wrapped key material and audit entries among them",
    "KMS433": "it can copy the files of the server, or follow its changes: wrapped key material, audit entries and"
    " hashes of passwords",
    "KMS434": "policies hide no row from it and refuse it none: neither destroyed versions nor others' audit entries",
    "KMS435": "it can lock every table and so make writers wait; it reads and changes no row",
    "KMS436": "it runs with the owner's rights for others: what they can do with it is for its author to say",
    "KMS437": "an extension that reads the label decides who sees or changes what",
    "KMS438": "whoever is its member has other rights than docs/roles.md says, or somebody acts as the group itself",
    "KMS439": "a temporary table stands before ours where a program names no schema; kms-schema roles takes that away",
    "KMS441": "what is open, the owner of the tables or a superuser can do; docs/threat-model.md says what finds it",
    "KMS442": "the event triggers of kms-schema harden are not as it makes them: the owner's DDL on the guards may go"
    " through",
    "KMS443": "the event triggers of kms-schema harden do not run in these sessions: the owner's DDL goes through",
    "KMS444": "it can switch the event triggers of kms-schema harden off for itself; what it owns it can then alter",
}
"""What each of these codes means."""

_EXPECTED = {
    "KMS401": "no such setting",
    "KMS402": "no such setting",
    "KMS403": "no subscription to these tables",
    "KMS411": "an owner that does not log in",
    "KMS412": "no members of the owner",
    "KMS413": "no CREATE for PUBLIC",
    "KMS414": "as few as can be",
    "KMS415": "CREATE for the owner alone",
    "KMS416": "no default privileges",
    "KMS417": "none, or one that is known",
    "KMS418": "no publication of these tables",
    "KMS419": "no members of the owner",
    "KMS428": "the owner of the tables",
    "KMS429": "rights on it for the owner alone",
    "KMS431": "the owner of the tables",
    "KMS436": "no such function, or one that is known",
    "KMS437": "no label",
    "KMS438": "a group that does not log in, and is in no other",
    "KMS439": "TEMPORARY for those who need it",
    "KMS443": "no such setting",
}
_OF_A_ROLE = "no such right"


def posture_findings(rows: Iterable[Seen]) -> tuple[Finding, ...]:
    """Return a finding for each code and object; the rows come sorted by these."""
    return tuple(_finding(list(seen)) for _, seen in groupby(rows, key=lambda row: row[:2]))


def _finding(rows: list[Seen]) -> Finding:
    code, about = rows[0][:2]
    seen = "; ".join(row[2] for row in rows)
    mends = [row[3] for row in rows if row[3]]
    mend = " ".join(mends) if len(mends) == len(rows) else None
    return Finding(code, severity_of(code), about, _EXPECTED.get(code, _OF_A_ROLE), seen, POSTURE[code], mend)
