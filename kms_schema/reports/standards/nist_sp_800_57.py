"""NIST SP 800-57 Part 1 Rev. 5 (May 2020): the sections about which the database has evidence."""

from kms_schema.reports.standards.control import Control, Standard

NIST_SP_800_57 = Standard(
    "nist-sp-800-57",
    "NIST SP 800-57 Part 1 Rev. 5",
    (
        Control(
            "5.3",
            "Each key has a cryptoperiod, by time, use or volume.",
            ("cryptoperiod", "rotated-in-time"),
            "The choice of periods by risk: section 5.3.6 recommends some.",
        ),
        Control(
            "5.6",
            "Algorithms and key sizes have the security strength that the data need.",
            ("strength", "wrapping"),
            "The strength that the data need, and for how long.",
        ),
        Control(
            "6.2.2",
            "Stored keys are protected in confidentiality and integrity.",
            ("wrapping", "custody", "entries-unchanged"),
            "Root keys, backups, and the certification of HSMs.",
        ),
        Control(
            "7.2",
            "An active key is used within its period only.",
            ("not-expired", "registry"),
            "Programs that use a key without asking for its state.",
        ),
        Control(
            "7.4", "A deactivated key protects no further data.", ("retired-not-used",), "Programs that report no use."
        ),
        Control(
            "7.5",
            "A compromised key is revoked and used no more, except for reading under a decision.",
            ("revocations", "exports"),
            "The recognition of a compromise, and the decision.",
        ),
        Control(
            "7.6",
            "The material of a destroyed key is gone, and what was known about it may stay.",
            ("destructions",),
            "Copies in backups and in other systems.",
        ),
        Control(
            "8.2.3",
            "Keys are changed before or at the end of their period.",
            ("rotated-in-time", "rotations-succeed"),
            "Encrypting data again.",
        ),
        Control(
            "8.3.4",
            "Keys are destroyed when they are not needed any more.",
            ("destructions", "recorded"),
            "The decision that a key is not needed, and material in HSMs.",
        ),
        Control(
            "8.3.5",
            "Keys are revoked before their end when that is necessary, with the reason.",
            ("revocations", "recorded"),
            "Telling those who rely on the key.",
        ),
        Control(
            "9-inventory",
            "Keys are inventoried with their properties.",
            ("registry", "custody"),
            "Keys and certificates in other systems.",
        ),
        Control(
            "9-access",
            "Access to keys is controlled, and duties are separated.",
            ("privileges", "members", "dual-control"),
            "People, and approvals by a second person.",
        ),
        Control(
            "9-audit",
            "Each handling of keys is recorded with its actor, and the records are protected and reviewed.",
            ("who", "no-drift", "entries-unchanged", "sealed", "sealed-monthly", "operations", "high-risk"),
            "The review.",
        ),
    ),
)
