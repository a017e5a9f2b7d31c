"""Codes about the revision, the probe and the check itself."""

from functools import partial

from kms_schema.validator.rules.rule import Remediation, Rule, Scope, Severity

ERROR, WARNING, _INFO = Severity
SQL, MANUAL = Remediation
rule = partial(
    Rule,
    scope=Scope.PROBE,
    help="what mends the other findings mends this; if there is none, something outside the schema does it",
)

# fmt: off
REVISION = (
    Rule("KMS001", "database is not migrated", ERROR, SQL,
        "no revision is stamped, or nothing of the schema is there: upgrades would start from nothing",
    ),
    Rule("KMS002", "database is behind", ERROR, MANUAL,
        "what later revisions add and guard is not there",
        help="run: kms-schema upgrade",
    ),
    Rule("KMS003", "unknown revision", ERROR, MANUAL,
        "a newer version of the package was here last, or only another application was",
        help="the history is ahead of this package or another application's: validate with the package that it is of",
    ),
    Rule("KMS004", "several revisions at once", ERROR, SQL,
        "upgrades refuse to run until one revision is stamped",
    ),
    Rule("KMS005", "stamped with another revision", ERROR, SQL,
        "the next upgrade would begin at the wrong place: make again what is there, or leave out what is not",
        help="run: kms-schema upgrade",
    ),
)
PROBE = (
    rule("KMS601", "a forbidden write went through", ERROR, MANUAL,
        "rows can be written that the package forbids",
    ),
    rule("KMS602", "refused by something else", ERROR, MANUAL,
        "what had to refuse it did not: something else did, which may not refuse the next one",
    ),
    rule("KMS603", "a permitted write is refused", ERROR, MANUAL,
        "the package promises that this write is accepted: what relies on it fails",
    ),
    rule("KMS604", "a promised effect is missing", ERROR, MANUAL,
        "whoever writes relies on it being done",
    ),
)
CHECK = (
    Rule("KMS901", "check could not run", WARNING, MANUAL,
        "what could not be checked does not count as passed",
        help="give the role the right that is missing",
    ),
    Rule("KMS902", "not made by the package", WARNING, MANUAL,
        "it is not the package's; whether it belongs here is for its owner to say",
        help="it is for its owner to say what it is for",
        scope=Scope.STRICT,
    ),
    Rule("KMS903", "waiver expired", ERROR, MANUAL,
        "somebody accepted a finding until a day that has passed: nobody stands for it any more",
        help="write another day with a reason, or delete the waiver",
        scope=Scope.WAIVERS,
    ),
    Rule("KMS904", "waiver without a finding", WARNING, MANUAL,
        "it would waive the next finding of its kind, which nobody has looked at",
        help="delete the waiver",
        scope=Scope.WAIVERS,
    ),
)
# fmt: on
