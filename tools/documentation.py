"""Writes the parts of the documentation that are generated from code.

    python -m tools.documentation        rewrites them in pages of docs

Each part is between `<!-- generated: NAME -->` and `<!-- end -->`; a test compares the files with this module.
"""

import re
from collections.abc import Callable, Mapping, Sequence
from enum import StrEnum
from pathlib import Path
from typing import TypeVar

from ruamel.yaml import YAML

from kms_schema import vocabulary
from kms_schema.audit.anomalies.rules import RULES as ANOMALY_RULES
from kms_schema.inventory.states import STATES
from kms_schema.monitoring.alerting.rule_file import rule_file
from kms_schema.monitoring.conditions import CONDITIONS, Condition
from kms_schema.monitoring.names import METRICS
from kms_schema.roles.definition import GRANTEES, GRANTS, POLICIES, Role
from kms_schema.text.durations import duration_of, seconds_of
from kms_schema.validator.rules import KINDS, OF_OBJECTS, RULES
from kms_schema.vocabulary import KEY_LIFECYCLE, KEY_STATUS_TIME, ROTATION_LIFECYCLE, KeyStatus, RecordedEvent
from tools import architecture
from tools.entity_diagram import entity_diagram
from tools.index_reasons import INDEX_REASONS
from tools.public_errors import ERROR_HEAD, error_rows
from tools.report_tables import CLAIM_HEAD, CONTROL_HEAD, LEGEND_HEAD, claim_rows, control_rows, legend_rows
from tools.site.commands import variable_rows

Status = TypeVar("Status", bound=str)

_GENERATED = re.compile(r"(<!-- generated: (?P<name>[\w ]+) -->\n).*?(<!-- end -->)", re.DOTALL)

ROOT = Path(__file__).resolve().parent.parent


def key_lifecycle() -> str:
    """Return the lifecycle of keys as a Markdown table."""
    rows = _transitions(KEY_LIFECYCLE)
    return _table(
        ("from", "may become", "time of entry"),
        [
            (*row, f"`{KEY_STATUS_TIME.get(status, 'created_at')}`")
            for status, row in zip(KEY_LIFECYCLE, rows, strict=True)
        ],
    )


def rotation_lifecycle() -> str:
    """Return the lifecycle of rotations as a Markdown table."""
    return _table(("from", "may become"), _transitions(ROTATION_LIFECYCLE))


def words() -> str:
    """Return every vocabulary as a Markdown table."""
    enumerations = [
        member
        for member in vars(vocabulary).values()
        if isinstance(member, type) and issubclass(member, StrEnum) and member is not StrEnum
    ]
    return _table(
        ("vocabulary", "words"),
        [(f"`{each.__name__}`", " ".join(f"`{word}`" for word in each)) for each in enumerations],
    )


def schema_diagram() -> str:
    """Return the diagram of the tables as a code block that GitHub draws."""
    return f"```mermaid\n{entity_diagram()}\n```"


def recorded_events() -> str:
    """Return the types of entries that the database writes itself, as a Markdown table."""
    return _table(
        ("event_type", "event_category", "security_level"),
        [(f"`{event}`", event.category, event.security_level) for event in RecordedEvent],
    )


def inventory_states() -> str:
    """Return the state of a version in an inventory, by its own state and the status of its key."""
    return _table(
        ("version", *(f"key `{status}`" for status in KeyStatus)),
        [(version, *(f"`{row[status]}`" for status in KeyStatus)) for version, row in STATES.items()],
    )


def roles() -> str:
    """Return the duties of each role, as a Markdown table."""
    return _table(("role", "what it does"), [(f"`{role}`", role.duty) for role in Role])


def privileges() -> str:
    """Return the privileges of the roles, as a Markdown table: a row for each object, a column for each role."""
    held: dict[str, dict[Role, list[str]]] = {
        "the database": {role: ["CONNECT"] for role in GRANTEES},
        "the schema": {role: ["USAGE"] for role in GRANTEES},
    }
    for right in sorted(GRANTS, key=lambda each: each.on):
        columns = f" ({', '.join(right.columns)})" if right.columns else ""
        cell = held.setdefault(f"`{right.on}`", {}).setdefault(right.role, [])
        cell += [privilege + columns for privilege in right.privileges]
    return _table(
        ("on", *(f"`{role}`" for role in GRANTEES)),
        [(on, *("; ".join(cells.get(role, ["-"])) for role in GRANTEES)) for on, cells in held.items()],
    )


def indexes() -> str:
    """Return the reason of each index without a constraint, as a Markdown table."""
    return _table(("index", "for"), [(f"`{name}`", str(reason)) for name, reason in INDEX_REASONS.items()])


def row_policies() -> str:
    """Return the policies of row-level security, as a Markdown table."""
    return _table(
        ("table", "policy", "for", "to", "rows"),
        [
            (
                f"`{policy.table}`",
                f"`{policy.name}`",
                policy.command,
                " ".join(f"`{role}`" for role in policy.roles),
                f"`{policy.using or policy.check}`",
            )
            for policy in POLICIES
        ],
    )


def kinds_of_objects() -> str:
    """Return the digits of each kind of object in the validator's codes, as a Markdown table."""
    return _table(("digits", "kind"), [(codes[0].code[3:5], names[0]) for names, codes in KINDS])


def rules() -> str:
    """Return the validator's codes, as a Markdown table, without those of kinds of objects."""
    of_objects = frozenset(OF_OBJECTS.values())
    return _table(
        ("code", "severity", "fixed by", "says"),
        [
            (f"`{rule.code}`", rule.severity, rule.remediation, rule.title)
            for rule in RULES.values()
            if rule.code not in of_objects
        ],
    )


def alerts() -> str:
    """Return the alerts as a Markdown table, in the order of their sections."""
    groups = YAML(typ="safe", pure=True).load(rule_file())["groups"]
    found = {rule["alert"]: rule for group in groups for rule in group["rules"] if "alert" in rule}
    page = (ROOT / "docs" / "alerts.md").read_text(encoding="utf-8")
    return _table(
        ("alert", "severity", "after", "says"),
        [
            (
                f"[{name}](#{name.lower()})",
                found[name]["labels"]["severity"],
                f"{seconds_of(found[name]['for']) // 60} minutes" if "for" in found[name] else "at once",
                _as_example(found[name]["annotations"]["summary"]),
            )
            for name in sorted(found, key=lambda name: page.index(f"\n### {name}\n"))
        ],
    )


def metrics() -> str:
    """Return the metrics, as a Markdown table."""
    return _table(
        ("metric", "type", "labels", "part", "value", "absent if"),
        [
            (
                f"`{each.name}`",
                each.kind,
                " ".join(f"`{label}`" for label in each.labels),
                f"`{each.part}`" if each.part else "",
                each.help,
                each.absent,
            )
            for each in METRICS
        ],
    )


def conditions() -> str:
    """Return the conditions of `kms-schema check`, as a Markdown table."""
    return _table(
        ("condition", "value", "`--warn`", "`--crit`"),
        [
            (
                f"`{each.name}`",
                f"time {each.text}" if each.unit == "s" else each.text,
                *("" if limit is None else _limit(each, limit) for limit in (each.limits.warn, each.limits.crit)),
            )
            for each in CONDITIONS
        ],
    )


def _limit(condition: Condition, limit: float) -> str:
    return duration_of(int(limit)) if condition.unit == "s" else f"{limit:.10g}"


def anomalies() -> str:
    """Return the rules of anomalies, as a Markdown table."""
    return _table(
        ("rule", "severity", "finds", "reads", "false alarms"),
        [
            (f"`{rule.name}`", rule.severity, rule.finds, rule.reads, rule.false_alarms)
            for rule in ANOMALY_RULES.values()
        ],
    )


PAGES = ("ARCHITECTURE.md", *(
    f"docs/{page}.md"
    for page in (
        "alerts", "anomalies", "command-line", "errors", "indexes", "inventory", "monitoring", "recorded", "reports",
        "roles", "schema",
    )
))  # fmt: skip
"""The files with generated parts, except docs/validator.md, which `python -m tools.validator_examples` writes."""

PARTS: Mapping[str, Callable[[], str]] = {
    "alerts": alerts,
    "anomalies": anomalies,
    "errors": lambda: _table(ERROR_HEAD, error_rows()),
    "indexes": indexes,
    "metrics": metrics,
    "conditions": conditions,
    "roles": roles,
    "privileges": privileges,
    "row policies": row_policies,
    "recorded events": recorded_events,
    "inventory states": inventory_states,
    "schema diagram": schema_diagram,
    "key lifecycle": key_lifecycle,
    "rotation lifecycle": rotation_lifecycle,
    "variables": lambda: _table(("command", "variables"), variable_rows()),
    "vocabulary": words,
    "kernel": architecture.kernel_size,
    "kinds of objects": kinds_of_objects,
    "rules": rules,
    "report claims": lambda: _table(CLAIM_HEAD, claim_rows()),
    "report legend": lambda: _table(LEGEND_HEAD, legend_rows()),
    "report controls": lambda: _table(CONTROL_HEAD, control_rows()),
}


def regenerate(text: str) -> str:
    """Return a document with regenerated parts. Raises `KeyError` for an unknown part."""
    return _GENERATED.sub(lambda match: f"{match[1]}{PARTS[match['name']]()}\n{match[3]}", text)


def _as_example(template: str) -> str:
    """Return the sentence of an alert with an ellipsis for each value."""
    chosen = re.sub(r"{{ with [^}]* }}(.*?){{ else }}.*?{{ end }}", r"\1", template)
    return re.sub(r"{{[^}]*}}", "…", chosen)


def _transitions(lifecycle: Mapping[Status, Sequence[Status]]) -> list[tuple[str, str]]:
    return [
        (f"`{before}`", ", ".join(f"`{after}`" for after in afters) or "nothing")
        for before, afters in lifecycle.items()
    ]


def _table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    return "\n".join(f"| {' | '.join(cells)} |" for cells in (head, ["---"] * len(head), *rows))


if __name__ == "__main__":
    for page in PAGES:
        path = ROOT / page
        path.write_text(regenerate(path.read_text(encoding="utf-8")), encoding="utf-8")
