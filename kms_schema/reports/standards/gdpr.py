"""Regulation (EU) 2016/679: the articles about which the database of a key-management system has evidence."""

from kms_schema.reports.standards.control import Control, Standard

GDPR = Standard(
    "gdpr",
    "Regulation (EU) 2016/679 (GDPR)",
    (
        Control(
            "5(1)(e)",
            "Personal data are kept no longer than necessary.",
            ("retention-ends", "retention-changes"),
            "How long is necessary, archives, and the personal data themselves, which are in other databases.",
        ),
        Control(
            "5(1)(f)",
            "Personal data are protected against unauthorized processing and against loss.",
            ("wrapping", "no-drift", "privileges", "entries-unchanged"),
            "The systems that process the data.",
        ),
        Control(
            "5(2)",
            "The controller can show that it follows the principles.",
            ("sealed", "entries-unchanged", "who"),
            "That entries were true, and that programs wrote all that happened.",
        ),
        Control(
            "17(1)",
            "Data are erased on request; here by the destruction of their key.",
            ("destructions",),
            "Requests, copies in backups, and whether your authority accepts the destruction of a key as erasure.",
        ),
        Control(
            "25(2)",
            "By default, data are not open to an indefinite number of people.",
            ("privileges", "members"),
            "Applications, and the network.",
        ),
        Control(
            "30(1)(g)",
            "The record of processing describes the technical measures.",
            ("registry", "custody"),
            "The record itself.",
        ),
        Control(
            "32(1)(a)",
            "Personal data are encrypted where that is appropriate.",
            ("strength", "wrapping", "cryptoperiod", "not-expired", "retired-not-used"),
            "That the data are encrypted with these keys.",
        ),
        Control(
            "32(1)(b)",
            "Confidentiality, integrity and availability of the systems last.",
            ("hsm-health", "rotations-succeed", "rotated-in-time"),
            "Standbys, backups, and copies of the root key.",
        ),
        Control(
            "32(1)(d)",
            "The measures are tested and evaluated regularly.",
            ("no-drift", "operations"),
            "The schedule of the tests, and what follows from them.",
        ),
        Control(
            "32(4)",
            "People with access to data act only on instructions.",
            ("who", "administration", "exports"),
            "The instructions. Reading leaves no entry.",
        ),
        Control(
            "33",
            "Breaches are recognized in time to notify the authority within 72 hours.",
            ("high-risk", "revocations"),
            "Recognition and notification.",
        ),
    ),
)
