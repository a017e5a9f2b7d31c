"""Codes about rows, envelopes and the evidence of the audit trail."""

from functools import partial

from kms_schema.validator.rules.rule import Remediation, Rule, Scope, Severity

ERROR, WARNING, _INFO = Severity
SQL, MANUAL = Remediation
rule = partial(Rule, scope=Scope.ROWS)
EVIDENCE = (
    "keep a copy as evidence, run kms-schema audit verify with a checkpoint from outside, and see who could do it"
)
WHICH_IS_RIGHT = (
    "see which of them still open, and put back from a backup what does not; which is right, no statement can say"
)
NEW_KEYS = "look at what wrote these rows, then make the keys anew and rotate to them: wrapping again does not undo it"

# fmt: off
ROWS = (
    rule("KMS176", "materialized view stale", WARNING, SQL,
        "it shows the keys as they were then: who relies on it overlooks what has expired or failed since",
    ),
    rule("KMS501", "rows break a rule", ERROR, MANUAL,
        "these rows were written before the guard was there, past it, or while it was switched off; which of them "
        "is right no statement can say",
        help="which rows are right, no statement can say",
    ),
    rule("KMS511", "seals out of order", ERROR, MANUAL,
        "somebody wrote past the guards: seals are gone or were put in; what holds, audit verify says",
        help=EVIDENCE,
    ),
    rule("KMS512", "leaves other than those of the seals", ERROR, MANUAL,
        "somebody wrote past the guards: what the seals are over is gone or was put in",
        help=EVIDENCE,
    ),
    rule("KMS513", "sealed entries gone", ERROR, MANUAL,
        "somebody took entries out of the trail past the guards; kms-schema audit verify names each",
        help=EVIDENCE,
    ),
    rule("KMS514", "entries never sealed", ERROR, MANUAL,
        "somebody put entries into the trail past the guards, with numbers of before: they are in no seal",
        help=EVIDENCE,
    ),
    rule("KMS515", "seals changed", ERROR, MANUAL,
        "somebody changed a seal past the guards; kms-schema audit verify says what still holds",
        help=EVIDENCE,
    ),
    rule("KMS516", "totals of the trail wrong", ERROR, SQL,
        "the dashboard shows other counts than the trail has: somebody wrote past the guards, or entries went in "
        "or out while the triggers were off; what the trail holds, audit verify says",
    ),
    rule("KMS517", "causes of rotation wrong", ERROR, SQL,
        "a key is due for rotation, or is not, for another reason than the trail has: somebody wrote past the "
        "guards, or while the triggers were off",
    ),
    rule("KMS521", "envelopes described as others", ERROR, MANUAL,
        "what opens these envelopes goes by encryption_metadata: they, or what is said of them, were changed",
        help=WHICH_IS_RIGHT,
    ),
    rule("KMS522", "versions wrapped by nothing", ERROR, MANUAL,
        "these keys are lost, with all that they encrypted, unless a backup has what they were wrapped by",
        help="put the wrapper back from a backup, or destroy what is lost",
    ),
    rule("KMS523", "envelopes copied", ERROR, MANUAL,
        "an envelope opens in its own row only: one is a copy, and the key of its row is gone; or they are bound "
        "to no row, and whoever can write rows can put one key in the place of another",
        help=WHICH_IS_RIGHT,
    ),
    rule("KMS524", "nonces used twice", ERROR, MANUAL,
        "random nonces never come twice: what made them is broken, and so may be the keys that it made; under "
        "AES-GCM with one key, two such envelopes give away what they hold",
        help=NEW_KEYS,
    ),
    rule("KMS525", "envelopes that may be plaintext", WARNING, MANUAL,
        "somebody may have put a format byte before what nobody encrypted: take it for disclosed to everybody who "
        "can read the table or a backup of it, unless it opens",
        help=NEW_KEYS,
    ),
)
# fmt: on
