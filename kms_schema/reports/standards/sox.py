"""Sarbanes-Oxley Act: general controls of IT that usually support section 404(a), and section 802.

The act names no control of a database. The lines of section 404(a) follow the usual general controls: change, access,
operations.
"""

from kms_schema.reports.standards.control import Control, Standard

SOX = Standard(
    "sox",
    "Sarbanes-Oxley Act, sections 404(a) and 802",
    (
        Control(
            "404(a)-change",
            "Only reviewed changes get into the systems that support financial reporting.",
            ("no-drift",),
            "Requests, approvals and tests of changes.",
        ),
        Control(
            "404(a)-access",
            "Access follows duties, and its changes are visible.",
            ("privileges", "members", "administration"),
            "Approval and review of memberships, and people with several duties.",
        ),
        Control(
            "404(a)-operations",
            "Operations run as planned, and failures are handled.",
            ("rotated-in-time", "rotations-succeed", "hsm-health", "high-risk"),
            "Backups, recovery, and the handling of incidents.",
        ),
        Control(
            "802-integrity",
            "Records are not altered, destroyed or falsified (18 U.S.C. 1519).",
            ("entries-unchanged", "sealed", "sealed-monthly", "operations", "recorded", "who"),
            "That an entry was true when it was written.",
        ),
        Control(
            "802-retention",
            "Records of audits are kept for seven years (17 CFR 210.2-06(a)).",
            ("kept-seven-years", "retention-changes"),
            "Which records the rule is about. 2,555 days are a day or two less than seven years.",
        ),
    ),
)
