"""Codes about objects, by their kind, and about the attributes that have a code of their own."""

from collections.abc import Mapping
from types import MappingProxyType

from kms_schema.validator.rules.rule import NO_HELP, Remediation, Rule, Severity

ERROR, WARNING, INFO = Severity
SQL, _MANUAL = Remediation
SOMETHING = "it is not what the package made"
RENAMED = "whatever names it, upgrades included, fails"
DIFFERENCES = ("missing", "unexpected", "changed", "renamed")
"""What can have happened to an object, in the order of the last digits of the codes."""


def kind(
    tens: str,
    names: tuple[str, ...],
    *,
    missing: str = SOMETHING,
    unexpected: str = SOMETHING,
    changed: str = SOMETHING,
    help: Mapping[str, str] = MappingProxyType({}),
    unexpected_is: Severity = ERROR,
) -> tuple[tuple[str, ...], tuple[Rule, ...]]:
    """Return the names of a kind of object, and its four codes: the impact and the help of each difference."""
    impacts = missing, unexpected, changed, RENAMED
    severities = ERROR, unexpected_is, ERROR, ERROR
    return names, tuple(
        Rule(f"KMS{tens}{digit}", f"{names[0]} {each}", severity, SQL, impact, help=help.get(each, NO_HELP))
        for digit, (each, impact, severity) in enumerate(zip(DIFFERENCES, impacts, severities, strict=True), 1)
    )


# fmt: off
KINDS = (
    kind("10", ("table", "partitioned table", "foreign table"),
        missing="what it holds is gone, and everything that relies on it fails",
        unexpected="it goes by the name of something of ours and is not it",
        changed="it is not kept as the package made it",
        help={
            "missing": "rows are gone: restore them from a backup; if the table goes by another name now, give it "
            "its own",
            "unexpected": "it is for its owner to say what it is for",
            "changed": "the table has to be made anew, or restored from a backup",
        },
    ),
    kind("11", ("column",),
        missing="what it held is gone, and programs that name it fail",
        unexpected="it holds data that nothing here guards, seals or documents",
        changed="it takes, fills in or keeps other values than the package promises",
        help={"missing": "what the column held is gone: restore it from a backup"},
    ),
    kind("12", ("constraint",),
        missing="rows that break this rule are no longer refused",
        unexpected="it can refuse rows that the package allows",
        changed="it holds another rule under the same name: rows that break ours may be in already",
    ),
    kind("13", ("index",),
        missing="queries that rely on it scan the whole table; a unique one no longer keeps duplicates out",
        unexpected="it makes writes slower; a unique one refuses rows that the package allows",
        changed="queries planned for it may miss it; a unique one keeps another key unique",
    ),
    kind("14", ("trigger",),
        missing="nothing enforces this rule any more",
        unexpected="it runs inside our writes: it can change, redirect or silently swallow rows",
        changed="it no longer runs when, or does what, the package promises",
    ),
    kind("15", ("function", "procedure", "aggregate"),
        missing="whatever calls it fails, or has been switched to something else",
        unexpected="calls may reach it instead of ours",
        changed="every trigger and query that calls it now does something else",
    ),
    kind("16", ("view",),
        missing="queries on it fail",
        unexpected="it goes by the name of something of ours and is not it",
        changed="it shows something else under the same name",
    ),
    kind("17", ("materialized view",),
        missing="queries on it fail",
        unexpected="it goes by the name of something of ours and is not it",
        changed="it shows something else under the same name",
    ),
    kind("18", ("sequence",),
        missing="new rows get no number from it",
        unexpected="a column of ours takes numbers from it",
        changed="numbers come in another order or with gaps: entries can be overlooked",
    ),
    kind("19", ("rule",),
        missing="statements are no longer rewritten as the package has it",
        unexpected="it rewrites statements before any trigger sees them, and can make writes vanish",
        changed="it rewrites statements in another way",
    ),
    kind("20", ("policy",),
        missing="rows are shown to, or hidden from, other roles than the package says",
        unexpected="it changes which rows roles can see or write",
        changed="it shows or hides other rows than the package says",
    ),
    kind("21", ("child table",),
        unexpected="its rows are read as ours, and none of our constraints and triggers guards them",
    ),
    kind("22", ("statistics",),
        missing="the planner may choose slower plans",
        unexpected="the planner may choose other plans",
        changed="the planner may choose other plans",
    ),
    kind("23", ("incoming reference",),
        unexpected="a table of the host's relies on our rows, so that deleting one can fail",
        help={"unexpected": "the host's, and allowed"},
        unexpected_is=INFO,
    ),
)
"""Each kind of object: its names, of which the first is in the titles, and its codes in the order of `DIFFERENCES`."""
ATTRIBUTES = (
    Rule("KMS125", "constraint not validated", ERROR, SQL,
        "rows that were there before may break the rule",
        attributes=(("constraint", "validated"),),
    ),
    Rule("KMS126", "foreign key not kept", ERROR, SQL,
        "the triggers that keep the foreign key are off: rows can point at nothing, and parents be deleted",
        attributes=(("constraint", "keeping_triggers"),),
    ),
    Rule("KMS135", "index not usable", ERROR, SQL,
        "an interrupted build left it: queries do not use it, and a unique one keeps no duplicate out",
        attributes=(("index", "valid"), ("index", "ready")),
    ),
    Rule("KMS145", "trigger switched off or on", ERROR, SQL,
        "the trigger does not run, or not in every session: what it enforces can be got past",
        attributes=(("trigger", "enabled"),),
    ),
    Rule("KMS175", "materialized view not populated", ERROR, SQL,
        "queries on it fail until it is refreshed",
        attributes=(("materialized view", "populated"),),
    ),
    Rule("KMS301", "owner changed", ERROR, SQL,
        "another role can now alter or drop it and switch off what guards it",
        attributes=(("*", "owner"),),
    ),
    Rule("KMS302", "rights changed", ERROR, SQL,
        "somebody can now do what they could not, or can no longer do what they have to",
        attributes=(("*", "grants"),),
    ),
    Rule("KMS303", "row-level security changed", ERROR, SQL,
        "which rows roles see is decided in another way than the package says",
        attributes=(("*", "row_security"), ("*", "row_security_forced")),
    ),
    Rule("KMS304", "persistence changed", ERROR, SQL,
        "it is kept in another way: a crash can empty it, and a standby may not have its rows",
        help="the table has to be made anew",
        attributes=(("*", "persistence"),),
    ),
    Rule("KMS305", "comment changed", WARNING, SQL,
        "documentation only",
        attributes=(("*", "comment"), ("*", "column_comments")),
    ),
    Rule("KMS306", "tablespace changed", WARNING, SQL,
        "it is kept on another disk, which may be slower, smaller or gone after a restart",
        attributes=(("*", "tablespace"),),
    ),
    Rule("KMS307", "bound to an extension", ERROR, SQL,
        "DROP EXTENSION takes it along, and a dump leaves it out",
        attributes=(("*", "extension"),),
    ),
)
# fmt: on
