"""What each code means in general, apart from any finding: the help text of a rule."""

from kms_schema.validation.compare import Kind
from kms_schema.validation.findings import ABOUT_ROWS, CODES
from kms_schema.validation.meaning import GENERAL, RENAMED
from kms_schema.validation.posture import POSTURE
from kms_schema.validation.probing.findings import MEANINGS as PROBED

_EXPLAINED = {
    "KMS001": "no revision is stamped, or nothing of the schema is there: upgrades would start from nothing",
    "KMS002": "what later revisions add and guard is not there",
    "KMS003": "a newer version of the package was here last, or only another application was",
    "KMS004": "upgrades refuse to run until one revision is stamped",
    "KMS005": "the next upgrade would begin at the wrong place: make again what is there, or leave out what is not",
    "KMS125": "rows that were there before may break the rule",
    "KMS126": "the triggers that keep the foreign key are off: rows can point at nothing, and parents be deleted",
    "KMS135": "an interrupted build left it: queries do not use it, and a unique one keeps no duplicate out",
    "KMS145": "the trigger does not run, or not in every session: what it enforces can be got past",
    "KMS175": "queries on it fail until it is refreshed",
    "KMS301": "another role can now alter or drop it and switch off what guards it",
    "KMS302": "somebody can now do what they could not, or can no longer do what they have to",
    "KMS303": "which rows roles see is decided in another way than the package says",
    "KMS304": "it is kept in another way: a crash can empty it, and a standby may not have its rows",
    "KMS305": "documentation only",
    "KMS306": "it is kept on another disk, which may be slower, smaller or gone after a restart",
    "KMS307": "DROP EXTENSION takes it along, and a dump leaves it out",
    **POSTURE,
    **ABOUT_ROWS,
    **PROBED,
    "KMS901": "what could not be checked does not count as passed",
    "KMS902": "it is not the package's; whether it belongs here is for its owner to say",
    "KMS903": "somebody accepted a finding until a day that has passed: nobody stands for it any more",
    "KMS904": "it would waive the next finding of its kind, which nobody has looked at",
}
_LIKE_A_TABLE = frozenset({"partitioned table", "foreign table"})
_LIKE_A_FUNCTION = frozenset({"procedure", "aggregate"})


def explained(code: str) -> str:
    """Return what any finding of this code means, in a sentence."""
    if code in _EXPLAINED:
        return _EXPLAINED[code]
    kind, _, difference = CODES[code].rpartition(" ")
    kind = "table" if kind in _LIKE_A_TABLE else "function" if kind in _LIKE_A_FUNCTION else kind
    if difference == Kind.RENAMED:
        return RENAMED
    return GENERAL[Kind(difference)].get(kind, "it is not what the package made")
