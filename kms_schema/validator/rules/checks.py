"""Codes about the revision, the probe and the check itself."""

from functools import partial

from kms_schema.validator.rules.rule import Remediation, Rule, Scope, Severity

ERROR, WARNING, _INFO = Severity
SQL, MANUAL = Remediation
rule: partial[Rule] = partial(
    Rule,
    scope=Scope.PROBE,
    help="fix the other findings and validate again; without other findings, look for a cause outside the schema",
)

# fmt: off
REVISION = (
    Rule("KMS001", "database is not migrated", ERROR, SQL,
        "no revision is stamped, or no object of the schema exists: an upgrade would start from an empty database",
        help="on an empty database, run: kms-schema upgrade. Otherwise fix the other findings and validate again: then "
        "the finding has the SQL that stamps the revision",
        page="operations",
    ),
    Rule("KMS002", "database is behind", ERROR, MANUAL,
        "the objects and protections of later revisions are missing",
        help="run: kms-schema upgrade",
        page="operations",
    ),
    Rule("KMS003", "unknown revision", ERROR, MANUAL,
        "a newer version of the package or another application stamped the database",
        help="validate with the version of the package that has this revision",
        page="operations",
    ),
    Rule("KMS004", "several revisions at once", ERROR, SQL,
        "upgrades refuse to run until one revision is stamped",
        help="fix the other findings and validate again: then the finding has the SQL that leaves one revision",
        page="operations",
    ),
    Rule("KMS005", "stamped with another revision", ERROR, SQL,
        "the next upgrade would start at the wrong revision: it would create existing objects, or skip missing ones",
        help="run: kms-schema upgrade",
        page="operations",
    ),
)
PROBE = (
    rule("KMS601", "a forbidden write was accepted", ERROR, MANUAL,
        "rows can be written that the schema forbids",
    ),
    rule("KMS602", "refused by something else", ERROR, MANUAL,
        "the expected constraint or trigger did not refuse the write; another one did, which may accept the next",
    ),
    rule("KMS603", "a permitted write was refused", ERROR, MANUAL,
        "programs that make this write, which the schema allows, fail",
    ),
    rule("KMS604", "a promised effect is missing", ERROR, MANUAL,
        "programs depend on this effect of a write",
    ),
)
CHECK = (
    Rule("KMS901", "check could not run", WARNING, MANUAL,
        "the result is unknown and does not count as passed",
        help="remove the cause that the finding names. For a missing privilege: the catalog and the revision need a "
        "member of kms_auditor; --level data and --probe need the owner of the tables",
        page="roles",
    ),
    Rule("KMS902", "unmanaged object", WARNING, MANUAL,
        "the object is not part of the schema",
        help="ask its owner; drop it if it is not needed",
        scope=Scope.STRICT,
    ),
    Rule("KMS903", "waiver expired", ERROR, MANUAL,
        "the finding was accepted until a day that has passed",
        help="write a later day with a reason, or delete the waiver",
        scope=Scope.WAIVERS,
    ),
    Rule("KMS904", "waiver without a finding", WARNING, MANUAL,
        "it would waive the next finding of this code, which has not been assessed",
        help="delete the waiver",
        scope=Scope.WAIVERS,
    ),
)
# fmt: on
