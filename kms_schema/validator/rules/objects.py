"""Codes about objects, by their kind, and about the catalog attributes that have a code of their own."""

from collections.abc import Mapping
from types import MappingProxyType

from kms_schema.validator.rules.rule import Remediation, Rule, Severity

ERROR, WARNING, INFO = Severity
SQL, MANUAL = Remediation
NOT_USED = "the code is reserved: the schema has no such object"
AS_MISSING = "the code is reserved: the finding is that the expected one is missing"
RENAMED = "every statement that names it fails, those of upgrades included"
DIFFERENCES = ("missing", "unexpected", "changed", "renamed")
"""The kinds of difference, in the order of the last digits of the codes."""
HELP = MappingProxyType(
    {
        "missing": "create it as the finding expects it; kms-schema sql prints every definition",
        "unexpected": "ask its owner; drop it if it is not needed",
        "changed": "drop it and create it as the finding expects it; kms-schema sql prints every definition",
        "renamed": "give it back the expected name",
    }
)
"""The manual action for each difference, where no statement can fix it."""


def kind(
    tens: str,
    names: tuple[str, ...],
    *,
    missing: str = NOT_USED,
    unexpected: str = NOT_USED,
    changed: str = NOT_USED,
    renamed: str = RENAMED,
    help: Mapping[str, str] = HELP,
    unexpected_is: Severity = ERROR,
    manual: tuple[str, ...] = (),
    page: str = "schema",
) -> tuple[tuple[str, ...], tuple[Rule, ...]]:
    """Return the names of a kind of object, and its four rules with the impact and the help of each difference.

    `manual` are the differences that no statement fixes.
    """
    impacts = missing, unexpected, changed, renamed
    severities = ERROR, unexpected_is, ERROR, ERROR
    reserved = [each for each, impact in zip(DIFFERENCES, impacts, strict=True) if impact in (NOT_USED, AS_MISSING)]
    return names, tuple(
        Rule(
            f"KMS{tens}{digit}",
            f"{names[0]} {each}",
            severity,
            MANUAL if each in (*manual, *reserved) else SQL,
            impact,
            help="no action" if each in reserved else help[each],
            page=page,
        )
        for digit, (each, impact, severity) in enumerate(zip(DIFFERENCES, impacts, severities, strict=True), 1)
    )


# fmt: off
KINDS = (
    kind("10", ("table", "partitioned table", "foreign table"),
        missing="its rows are lost, and everything that depends on it fails",
        unexpected="it has the name of an object of the schema and is another one",
        changed="its storage or its structure differs from the expected definition",
        renamed=AS_MISSING,
        help={
            "missing": "restore the table from a backup; if it was renamed, rename it back",
            "unexpected": "ask its owner; rename or drop it if it is not needed",
            "changed": "create the table as the finding expects it with another name, copy the rows, exchange both",
        },
        manual=("missing",),
    ),
    kind("11", ("column",),
        missing="its values are lost, and programs that name it fail",
        unexpected="its values are not protected, sealed or documented",
        changed="it accepts, defaults to or stores other values than documented",
        help={
            **HELP,
            "missing": "restore the column from a backup",
            "changed": "add a column as the finding expects it, copy the values, and exchange both",
        },
        manual=("missing",),
    ),
    kind("12", ("constraint",),
        missing="rows that violate the rule are no longer refused",
        unexpected="it can refuse rows that the schema allows",
        changed="it enforces another rule under the same name: rows may violate the expected one",
        page="rules",
    ),
    kind("13", ("index",),
        missing="queries that need it scan the whole table; if it is unique, duplicates are accepted",
        unexpected="it makes writes slower; if it is unique, it refuses rows that the schema allows",
        changed="queries may not use it; if it is unique, another key is unique",
        page="indexes",
    ),
    kind("14", ("trigger",),
        missing="nothing enforces this rule",
        unexpected="it runs in every write to the table: it can change, redirect or silently discard rows",
        changed="it fires at other events or does something else than documented",
        page="rules",
    ),
    kind("15", ("function", "procedure", "aggregate"),
        missing="its callers fail, or call another function",
        unexpected="calls can resolve to it instead of the expected function",
        changed="every trigger and query that calls it behaves differently",
        page="rules",
    ),
    kind("16", ("view",),
        missing="queries on it fail",
        unexpected="it has the name of an object of the schema and is another one",
        changed="it returns other rows under the same name",
        renamed=AS_MISSING,
    ),
    kind("17", ("materialized view",),
        missing="queries on it fail",
        unexpected="it has the name of an object of the schema and is another one",
        changed="it returns other rows under the same name",
        renamed=AS_MISSING,
    ),
    kind("18", ("sequence",),
        missing="new rows get no number from it",
        unexpected="a column of the schema takes its numbers from it",
        changed="numbers have another order or gaps: a reader can miss entries",
    ),
    kind("19", ("rule",),
        unexpected="it rewrites statements before any trigger fires, and can discard writes",
        renamed=NOT_USED,
    ),
    kind("20", ("policy",),
        missing="other roles than documented can read or write rows",
        unexpected="it changes which rows roles can read or write",
        changed="roles can read or write other rows than documented",
        page="roles",
    ),
    kind("21", ("child table",),
        unexpected="its rows are read as rows of the table, whose constraints and triggers do not apply to them",
        renamed=NOT_USED,
        help={"unexpected": "ask its owner; end the inheritance with ALTER TABLE … NO INHERIT"},
    ),
    kind("22", ("statistics",),
        unexpected="the planner may choose other plans",
        renamed=NOT_USED,
        unexpected_is=INFO,
    ),
    kind("23", ("incoming reference",),
        unexpected="a table of the host application refers to these rows, so deleting one can fail",
        renamed=NOT_USED,
        help={"unexpected": "no action: a host application may refer to these rows"},
        unexpected_is=INFO,
        page="hosting",
        manual=("unexpected",),
    ),
)
"""Each kind of object: its names, the first for titles, and its codes in the order of `DIFFERENCES`."""
ATTRIBUTES = (
    Rule("KMS125", "constraint not validated", ERROR, SQL,
        "rows that existed before the constraint may violate it",
        page="rules",
        attributes=(("constraint", "validated"),),
    ),
    Rule("KMS126", "foreign key not enforced", ERROR, SQL,
        "the triggers of the foreign key are disabled: rows can refer to missing rows, and parents can be deleted",
        page="rules",
        attributes=(("constraint", "keeping_triggers"),),
    ),
    Rule("KMS135", "index not usable", ERROR, SQL,
        "an interrupted build left it: queries do not use it, and if it is unique, duplicates are accepted",
        page="indexes",
        attributes=(("index", "valid"), ("index", "ready")),
    ),
    Rule("KMS145", "trigger enablement changed", ERROR, SQL,
        "the trigger does not fire, or not in every session: its rule can be bypassed",
        page="rules",
        attributes=(("trigger", "enabled"),),
    ),
    Rule("KMS146", "row of the catalog not written by SQLite", ERROR, SQL,
        "SQLite may obey it although tools do not show what it is: a trigger that swallows writes can be hidden in it",
        help="find out who set PRAGMA writable_schema; restore the file from a backup, or correct the row",
        expected="the row that SQLite writes",
        page="engines",
    ),
    Rule("KMS147", "object without a row of the catalog", ERROR, MANUAL,
        "SQLite obeys it in this connection, and the catalog of the file does not have it. Without the index of a "
        "constraint, each write fails",
        help="close the connections to the file and validate again; find out who changed its catalog. If the object is "
        "the index of a constraint, restore the file from a backup",
        expected="a row for each object",
        page="engines",
    ),
    Rule("KMS175", "materialized view not populated", ERROR, SQL,
        "queries on it fail until it is refreshed",
        page="schema",
        attributes=(("materialized view", "populated"),),
    ),
    Rule("KMS301", "owner changed", ERROR, SQL,
        "another role can alter or drop it and disable its protections",
        page="roles",
        attributes=(("*", "owner"),),
    ),
    Rule("KMS302", "privileges changed", ERROR, SQL,
        "a role has privileges that it should not have, or lacks privileges that it needs",
        expected="USAGE on the schema and CONNECT on the database for each group role",
        page="roles",
        attributes=(("*", "grants"),),
    ),
    Rule("KMS303", "row-level security changed", ERROR, SQL,
        "roles can read or write other rows than documented",
        page="roles",
        attributes=(("*", "row_security"), ("*", "row_security_forced")),
    ),
    Rule("KMS304", "persistence changed", ERROR, SQL,
        "it is stored differently: a crash can empty it, and a standby may not have its rows",
        help="drop the temporary object, or create the table as the finding expects it and copy the rows",
        attributes=(("*", "persistence"),),
    ),
    Rule("KMS305", "comment changed", WARNING, SQL,
        "documentation differs; behavior does not",
        attributes=(("*", "comment"), ("*", "column_comments")),
    ),
    Rule("KMS306", "tablespace changed", WARNING, SQL,
        "it is stored in another location, which can be slower or smaller, or missing after a restart",
        attributes=(("*", "tablespace"),),
    ),
    Rule("KMS307", "bound to an extension", ERROR, SQL,
        "DROP EXTENSION drops it, and a dump does not contain it",
        attributes=(("*", "extension"),),
    ),
    Rule("KMS308", "tuning set", INFO, SQL,
        "it can be faster or slower; no rule is weakened",
        help="reset the setting, if it is not intended",
        attributes=(
            ("table", "options"), ("table", "toast_options"), ("materialized view", "options"),
            ("materialized view", "toast_options"), ("materialized view", "column_settings"), ("column", "storage"),
            ("column", "compression"), ("column", "statistics"), ("column", "options"), ("index", "statistics"),
            ("index", "clustered"),
        ),
    ),
    Rule("KMS309", "tuning of the package changed", WARNING, SQL,
        "the package has measured its own setting; no rule is weakened",
    ),
    Rule("KMS310", "the roles are not applied to all objects", ERROR, MANUAL,
        "programs that log in as members of the group roles are refused, or read other rows than documented",
        help="as a superuser, run: kms-schema roles --apply",
        page="roles",
    ),
)
"""Attributes with a code of their own. KMS309 stands for KMS308 where the package itself sets another value,
KMS310 for the differences of several objects that lack the privileges of the group roles."""
# fmt: on
