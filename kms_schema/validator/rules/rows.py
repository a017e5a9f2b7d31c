"""Codes about rows, envelopes and the evidence of the audit trail."""

from functools import partial

from kms_schema.validator.rules.rule import Remediation, Rule, Scope, Severity

ERROR, WARNING, _INFO = Severity
SQL, MANUAL = Remediation
rule: partial[Rule] = partial(Rule, scope=Scope.ROWS)
EVIDENCE = (
    "keep a copy as evidence, run kms-schema audit verify with an external checkpoint, and find out who had access"
)
OPEN_EACH = (
    "open each of them with kms-schema rewrap --dry-run --verify, and restore from a backup those that do not open"
)
NEW_KEYS = "find the program that wrote these rows, then generate new keys and rotate to them: rewrapping is not enough"

# fmt: off
ROWS = (
    rule("KMS176", "materialized view stale", WARNING, SQL,
        "it shows an earlier state: keys that have expired or failed since are missing",
    ),
    rule("KMS501", "rows violate a rule", ERROR, MANUAL,
        "the rows were written before the constraint or trigger existed, past it, or while it was disabled",
        help="decide which rows are correct, and change the others",
        page="rules",
    ),
    rule("KMS511", "seals out of order", ERROR, MANUAL,
        "somebody bypassed the guard triggers: seals are missing or were inserted",
        help=EVIDENCE,
        page="threat-model",
    ),
    rule("KMS512", "leaves do not match the seals", ERROR, MANUAL,
        "somebody bypassed the guard triggers: sealed content is missing or was inserted",
        help=EVIDENCE,
        page="threat-model",
    ),
    rule("KMS513", "sealed entries missing", ERROR, MANUAL,
        "somebody bypassed the guard triggers and removed entries; kms-schema audit verify names each",
        help=EVIDENCE,
        page="threat-model",
    ),
    rule("KMS514", "entries never sealed", ERROR, MANUAL,
        "somebody bypassed the guard triggers and inserted entries with earlier sequences: no seal covers them",
        help=EVIDENCE,
        page="threat-model",
    ),
    rule("KMS515", "seals changed", ERROR, MANUAL,
        "somebody bypassed the guard triggers and changed a seal; kms-schema audit verify names what still verifies",
        help=EVIDENCE,
        page="threat-model",
    ),
    rule("KMS516", "totals of the audit log wrong", ERROR, SQL,
        "the dashboard shows other counts than the audit log has: somebody bypassed the guard triggers, or entries "
        "were written while they were disabled",
    ),
    rule("KMS517", "causes of rotation wrong", ERROR, SQL,
        "keys are due for rotation, or not, for other reasons than the audit log has: somebody bypassed the "
        "guard triggers, or wrote while they were disabled",
    ),
    rule("KMS518", "index does not match its table", ERROR, SQL,
        "queries that read the index miss rows, and a unique index accepts a second row: somebody changed the index or "
        "its catalog, or the storage damaged it",
        help=f"{EVIDENCE}. Then REINDEX the table, and validate again",
        page="indexes",
    ),
    rule("KMS519", "times of entries run against their sequence", ERROR, MANUAL,
        "these entries state another time than that of their writing: a connection to SQLite redefined functions of "
        "the guard triggers, the owner restored entries, or the clock was set back",
        help=f"waive the finding if the clock was set back; if not, {EVIDENCE}",
        page="threat-model",
    ),
    rule("KMS520", "stored data damaged", ERROR, MANUAL,
        "the database refuses to read its own pages, and so do programs: somebody changed the file or its catalog, or "
        "the storage damaged it",
        help="keep a copy as evidence, and restore from a backup",
        page="operations",
    ),
    rule("KMS521", "envelopes described as another format", ERROR, MANUAL,
        "the envelope or its encryption_metadata was changed: programs that open it use the wrong format",
        help=OPEN_EACH,
        page="crypto",
    ),
    rule("KMS522", "versions without a usable wrapper", ERROR, MANUAL,
        "these keys and all that they encrypted are lost, unless a backup has the wrapper",
        help="restore the wrapper from a backup, or destroy the versions with kms-schema destroy-version",
        page="crypto",
    ),
    rule("KMS523", "envelopes copied", ERROR, MANUAL,
        "either one row has the envelope of another, and its own key is lost, or the envelopes are bound to no row and "
        "writers of rows can exchange keys",
        help=OPEN_EACH,
        page="crypto",
    ),
    rule("KMS524", "nonces used twice", ERROR, MANUAL,
        "the generator of the nonces is broken, and the keys it generated may be weak; with AES-GCM two envelopes with "
        "one key and nonce reveal their content",
        help=NEW_KEYS,
        page="crypto",
    ),
    rule("KMS525", "envelopes that may be plaintext", WARNING, MANUAL,
        "the content may be unencrypted: treat it as disclosed to everyone who can read the table or a backup, unless "
        "it opens",
        help=NEW_KEYS,
        page="crypto",
    ),
)
# fmt: on
