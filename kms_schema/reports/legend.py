"""The words of a report that a reader of it alone could not know."""

from collections.abc import Mapping
from types import MappingProxyType

from kms_schema.reports.outcomes import State
from kms_schema.vocabulary import KeyStatus

LEGEND: Mapping[str, str] = MappingProxyType({
    State.SATISFIED: "Nothing speaks against the claim. Of a control: against none of its applicable claims.",
    State.NOT_SATISFIED: "The report lists what speaks against the claim. Of a control: against one of its claims.",
    State.FOR_REVIEW: "The report lists what there is, and a person decides.",
    State.NOT_APPLICABLE: "The database has nothing that the claim is about.",
    f"key {KeyStatus.PENDING}": "The key is registered, and neither encrypts nor decrypts yet.",
    f"key {KeyStatus.ACTIVE}": "The key encrypts until its expiry or its limit, and decrypts.",
    f"key {KeyStatus.ROTATED}": "Another key has replaced it. It only decrypts.",
    f"key {KeyStatus.EXPIRED}": "Its time has ended. It only decrypts.",
    f"key {KeyStatus.REVOKED}": "It was withdrawn before its end. It neither encrypts nor decrypts.",
    f"key {KeyStatus.ARCHIVED}": "It is kept for its history. It neither encrypts nor decrypts.",
    "use of a key": "Before it encrypts, a program reserves uses and bytes in blocks that grow. Counts and limits"
    " include what is reserved and not used yet.",
    "KEY_USED": "A program writes this entry at its first use of a version, then hourly and at its end. One entry"
    " stands for many uses.",
})  # fmt: skip
"""Each word with its meaning: the states of claims and controls, the statuses of keys, and how use is counted."""
