"""Files for `promtool test rules`, of the cases of the alerts."""

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from kms_schema.monitoring.alerting.rule_file import last_known, rule_file
from kms_schema.monitoring.alerting.thresholds import DAY, HOUR, MINUTE
from kms_schema.monitoring.names import ALWAYS, BY_NAME, Part
from tests.monitoring.notices import parsed
from tests.monitoring.rule_cases import CASES, IN_ORDER, LIMITS, STEPS, Case, Values, ago, constant, key, series

ALERTS: dict[str, dict[str, Any]] = {
    rule["alert"]: rule for group in parsed(rule_file(LIMITS))["groups"] for rule in group["rules"] if "alert" in rule
}
"""The alerts of the file, by name."""
EXPORTERS = ("a", "b")
FIRING = 'count by (alertname) (ALERTS{alertstate="firing"})'
END = f"{STEPS * 10}m"

FAILS_AT = STEPS // 2
RECOVERS_AT = STEPS * 3 // 4


def parts_of(case: Case) -> list[Part]:
    """Return the parts whose metrics the alert of a case reads."""
    used = {name for name in BY_NAME if last_known(name) in ALERTS[case.alert]["expr"]}
    return sorted({part for name in used if (part := BY_NAME[name].part)})


def _with_exporter(name: str, exporter: str) -> str:
    metric, _, labels = name.rstrip("}").partition("{")
    others = f", {labels}" if labels else ""
    return f'{metric}{{job="kms", instance="{exporter}:19187"{others}}}'


def _part(name: str) -> Part | None:
    return BY_NAME[name.partition("{")[0]].part


def _ends(values: Values) -> Values:
    """Return the values until the middle; then the series is gone."""
    first, _, _ = values.partition("x")
    return f"{first}x{FAILS_AT - 1} stale"


def _input(given: Mapping[str, Values], exporters: tuple[str, ...] = EXPORTERS) -> list[dict[str, str]]:
    return [
        {"series": _with_exporter(name, exporter), "values": values}
        for exporter in exporters
        for name, values in given.items()
    ]


def _test(name: str, given: list[dict[str, str]], firing: Iterable[str], **more: Any) -> dict[str, Any]:
    samples = [
        {"labels": f'{{alertname="{alert}"}}', "value": number} for alert, number in sorted(Counter(firing).items())
    ]
    checked = [{"expr": FIRING, "eval_time": END, "exp_samples": samples}]
    return {"name": name, "interval": "10m", "input_series": given, "promql_expr_test": checked, **more}


@dataclass
class Pack:
    """Cases whose series do not meet, so that one test has them all."""

    given: dict[str, Values] = field(default_factory=dict)
    firing: list[str] = field(default_factory=list)
    cases: list[Case] = field(default_factory=list)


def packed(cases: Iterable[Case], *, quiet: bool = False) -> list[Pack]:
    """Return as few packs as the series of the cases allow."""
    packs: list[Pack] = []
    for case in cases:
        given = case.quiet if quiet else case.fires
        metrics = set(case.fires) | set(case.quiet)
        pack = next((each for each in packs if not metrics & set(each.given)), None)
        if pack is None:
            packs.append(pack := Pack())
        pack.given |= given
        pack.cases.append(case)
        pack.firing += [] if quiet else [case.alert]
    return packs


def _failing(given: Mapping[str, Values], part: Part, success: Values) -> dict[str, Values]:
    """Return the series of an exporter whose part fails in the middle."""
    failed = {name: _ends(values) if _part(name) is part else values for name, values in given.items()}
    return failed | {series("kms_collector_success", part=part): success}


def _fire() -> Iterator[dict[str, Any]]:
    """Yield tests with the labels and sentences of all alerts: these fire, once each, and no others."""
    for pack in packed(CASES):
        expected: dict[str, list[dict[str, Any]]] = {}
        for case in pack.cases:
            expected.setdefault(case.alert, []).append({
                "exp_labels": {"job": "kms", "severity": case.severity} | case.labels,
                "exp_annotations": {"summary": case.says},
            })  # fmt: skip
        checked = [{"eval_time": END, "alertname": alert, "exp_alerts": each} for alert, each in expected.items()]
        name = " ".join(case.alert for case in pack.cases)
        yield _test(f"{name} fire", _input(IN_ORDER | pack.given), pack.firing, alert_rule_test=checked)


def _while_a_part_fails(part: Part) -> Iterator[dict[str, Any]]:
    """Yield tests of all alerts of a part: they stay while it fails, and those on single keys end when it succeeds."""
    cases = [case for case in CASES if part in parts_of(case)]
    fails = f"1+0x{FAILS_AT - 1} 0+0x{STEPS - FAILS_AT}"
    for pack in packed(cases):
        fires = IN_ORDER | pack.given
        expected = [*pack.firing, "KmsCollectorFailed"]
        every = _failing(fires, part, fails)
        yield _test(f"{part} fails in every exporter", _input(every), expected)
        one = _input(every, EXPORTERS[:1]) + _input(fires, EXPORTERS[1:])
        yield _test(f"{part} fails in one exporter", one, expected)
    recovers = f"1+0x{FAILS_AT - 1} 0+0x{RECOVERS_AT - FAILS_AT - 1} 1+0x{STEPS - RECOVERS_AT}"
    for pack in packed(case for case in cases if "key_id" in case.labels):
        yield _test(f"{part} succeeds again", _input(_failing(IN_ORDER | pack.given, part, recovers)), [])


def _while_all_fails_after_a_repair() -> Iterator[dict[str, Any]]:
    """Yield tests of alerts whose series ended while the part was read: they do not come back when it fails."""
    for pack in packed(case for case in CASES if ENDS_ABSENT & set(_metrics(case))):
        ended = f"x{FAILS_AT - 3} stale"
        given = {
            name: values.partition("x")[0] + ended if name.partition("{")[0] in ENDS_ABSENT else values
            for name, values in (IN_ORDER | pack.given).items()
        }
        gone = {name: values if values.endswith("stale") else _ends(values) for name, values in given.items()}
        yield _test("repaired, then the exporters are gone", _input(gone), ["KmsExporterAbsent"])
        away = f"1+0x{FAILS_AT - 1} 0+0x{STEPS - FAILS_AT}"
        fails = gone | {series("kms_collector_success", part=part): away for part in Part}
        yield _test("repaired, then each part fails", _input(fails), [*["KmsCollectorFailed"] * len(Part)])


def _metrics(case: Case) -> Iterator[str]:
    return (name.partition("{")[0] for name in case.fires)


ENDS_ABSENT = {name for name, metric in BY_NAME.items() if metric.part and metric.absent != ALWAYS}
"""Metrics that have no series when there is nothing to report."""


def minutes() -> dict[str, Any]:
    """Return the file of all cases."""
    tests = [_test("a database in order", _input(IN_ORDER, ("a", "b", "c")), []), *_fire()]
    tests += [_test("near the limits", _input(IN_ORDER | pack.given), []) for pack in packed(CASES, quiet=True)]
    for part in Part:
        tests += _while_a_part_fails(part)
    tests += _while_all_fails_after_a_repair()
    for pack in packed(case for case in CASES if parts_of(case)):
        gone = {name: _ends(values) for name, values in (IN_ORDER | pack.given).items()}
        tests.append(_test("the exporters are gone", _input(gone), [*pack.firing, "KmsExporterAbsent"]))
    expires = IN_ORDER | {
        series("kms_key_expiration_timestamp_seconds", **key("z")): constant(
            7 * DAY + STEPS * 10 * MINUTE - 30 * MINUTE
        )
    }
    fails = {series("kms_collector_success", part=part): constant(0) for part in Part}
    unsealed = {
        series("kms_audit_seal_number"): constant(0),
        series("kms_audit_unsealed_oldest_timestamp_seconds"): ago(2 * HOUR),
    }
    never = [{"series": 'up{job="kms-2", instance="c:19187"}', "values": constant(0)}]
    gone = [
        {"series": each["series"].replace('job="kms"', 'job="other"'), "values": _ends(each["values"])}
        for each in _input(IN_ORDER)
    ]
    tests += [
        _test(
            "a key is a week from its end while the exporters are gone",
            _input({name: _ends(values) for name, values in expires.items()}),
            ["KmsKeyExpiresIn7Days", "KmsExporterAbsent"],
        ),
        _test("nothing was ever sealed", _input(IN_ORDER | unsealed), ["KmsNoSeal"]),
        _test("there was never an exporter", [], ["KmsExporterAbsent"]),
        _test("the exporter of the only job never answered", never, ["KmsExporterAbsent"]),
        _test("the exporter of one of two jobs never answered", never + _input(IN_ORDER), ["KmsExporterAbsent"]),
        _test("no part ever succeeded", _input(fails), ["KmsCollectorFailed"] * len(Part)),
        _test("the exporters of one of two databases are gone", _input(IN_ORDER) + gone, ["KmsExporterAbsent"]),
    ]
    return {**_FILE, "evaluation_interval": "10m", "tests": tests}


def days() -> dict[str, Any]:
    """Return the file of the growth of the log, which takes days."""
    tests = []
    for title, values, firing in (
        ("grows five times as fast", "0+25000x36 1050000+150000x4", True),
        ("grows four times as fast", "0+25000x36 1000000+95000x4", False),
        ("is too small", "0+10x36 500+20000x4", False),
        ("is young", "_x34 0+150000x6", False),
    ):
        given = {series("kms_audit_entries_total"): values, series("kms_collector_success", part="log"): "1+0x40"}
        expr = 'count by (alertname) (ALERTS{alertname="KmsLogGrowth"})'
        samples = [{"labels": '{alertname="KmsLogGrowth"}', "value": 1}] if firing else []
        checked = [{"expr": expr, "eval_time": "240h", "exp_samples": samples}]
        tests.append(
            {"name": f"the log {title}", "interval": "6h", "input_series": _input(given), "promql_expr_test": checked}
        )
    return {**_FILE, "evaluation_interval": "6h", "tests": tests}


_FILE = {"rule_files": ["rules.yml"], "group_eval_order": ["kms_last_known", "kms_soon", "kms_slow"]}
