"""PCI DSS v4.0.1 (June 2024): the requirements about which the database of a key-management system has evidence."""

from kms_schema.reports.standards.control import Control, Standard

PCI_DSS = Standard(
    "pci-dss-4.0.1",
    "PCI DSS v4.0.1",
    (
        Control(
            "3.6.1.1",
            "Service providers describe their cryptographic architecture: algorithms, keys, strength, expiry and HSMs.",
            ("registry", "strength", "custody"),
            "Protocols, the purpose of each key, and the description itself: kms-schema inventory lists the keys.",
        ),
        Control(
            "3.6.1.2",
            "Stored keys are encrypted by a key that is as strong, or are in a secure device, or are split.",
            ("wrapping", "custody"),
            "Where root keys are, and that an HSM is certified.",
        ),
        Control(
            "3.6.1.3",
            "As few custodians as possible have access to keys in the clear.",
            ("privileges", "members", "exports"),
            "The holders of the root keys, and the people behind the logins.",
        ),
        Control(
            "3.7.1",
            "Keys are generated strong.",
            ("strength",),
            "The random generator, and keys that other programs made.",
        ),
        Control(
            "3.7.4",
            "Keys are changed at the end of their defined cryptoperiod.",
            ("cryptoperiod", "not-expired", "rotated-in-time", "rotations-succeed"),
            "The choice of periods that are short enough.",
        ),
        Control(
            "3.7.5",
            "Keys are retired, replaced or destroyed at their end or when they are weakened, and then encrypt no more.",
            ("revocations", "destructions", "retired-not-used", "recorded"),
            "The decision that a key is weakened, copies in backups, and programs that report no use.",
        ),
        Control(
            "3.7.6",
            "Manual work with keys in the clear takes two people.",
            ("dual-control",),
            "The approvals themselves: the database records none.",
        ),
        Control(
            "3.7.7",
            "Keys are not substituted without authorization.",
            ("no-drift", "recorded", "entries-unchanged"),
            "The authorization of each change.",
        ),
        Control(
            "7.2.1",
            "Access follows an access control model with least privilege.",
            ("privileges", "members"),
            "The model, and its approval.",
        ),
        Control(
            "7.2.4",
            "Accounts and privileges are reviewed every six months.",
            ("members", "administration"),
            "The review.",
        ),
        Control(
            "10.2.1",
            "Audit logs are active for all components.",
            ("no-drift", "recorded"),
            "The logs of the server and of the applications.",
        ),
        Control(
            "10.2.1.2",
            "All actions of administrators are logged.",
            ("administration",),
            "DDL, logins and queries: the log of the server.",
        ),
        Control(
            "10.2.2",
            "Each entry says who did what, when, where from, to what, and with what result.",
            ("who", "addresses"),
            "The person behind a login. Refused actions are rolled back with their entry.",
        ),
        Control(
            "10.3.2",
            "Log files are protected against modification.",
            ("no-drift", "entries-unchanged"),
            "Owners and superusers: only a checkpoint outside the database finds what they change.",
        ),
        Control(
            "10.3.3",
            "Log files are promptly backed up to a place where they are hard to modify.",
            ("sealed", "operations"),
            "Backups, and where checkpoints are kept.",
        ),
        Control(
            "10.3.4",
            "Changes of log data raise an alert.",
            ("entries-unchanged", "sealed", "sealed-monthly"),
            "The alert, and checkpoints that are kept elsewhere.",
        ),
        Control(
            "10.4.1",
            "Security events and logs of critical components are reviewed daily.",
            ("high-risk",),
            "The review.",
        ),
        Control(
            "10.5.1",
            "Audit logs are kept for 12 months, three of them at hand.",
            ("kept-a-year", "retention-changes"),
            "Backups and archives.",
        ),
        Control(
            "10.7.2",
            "Failures of critical security controls are noticed and handled promptly.",
            ("hsm-health", "sealed", "no-drift", "operations"),
            "The alarm, the response, and times between two reports.",
        ),
        Control(
            "12.3.3",
            "Cipher suites and protocols in use are documented and reviewed every 12 months.",
            ("registry", "strength"),
            "Protocols, the review, and the plan for their replacement.",
        ),
    ),
)
