"""The alerting rules, held against promtool: each fires, stays quiet, and no failure of an exporter ends it."""

import json
import re
from pathlib import Path

from kms_schema.monitoring.alerting.rule_file import rule_file
from kms_schema.monitoring.names import BY_NAME, METRICS
from support.engines.prometheus import tool
from support.programs.commands import kms_schema
from tests.monitoring.promtool_files import ALERTS, days, minutes
from tests.monitoring.rule_cases import CASES, LIMITS


def test_promtool_finds_each_alert_as_expected(tmp_path: Path) -> None:
    (tmp_path / "rules.yml").write_text(rule_file(LIMITS), encoding="utf-8")
    for name, content in (("minutes.yml", minutes()), ("days.yml", days())):
        (tmp_path / name).write_text(json.dumps(content), encoding="utf-8")
    ran = tool("promtool", "test", "rules", tmp_path / "minutes.yml", tmp_path / "days.yml")
    assert ran.returncode == 0, ran.stdout + ran.stderr


def test_each_alert_has_a_case() -> None:
    assert set(ALERTS) == {case.alert for case in CASES} | {"KmsExporterAbsent", "KmsLogGrowth"}
    assert len(ALERTS) >= 15


def test_promtool_accepts_what_the_command_prints(tmp_path: Path) -> None:
    said = kms_schema("metrics", "rules", "--docs-url", "https://docs.example/kms/")
    assert (said.status, said.err) == (0, "")
    (tmp_path / "rules.yml").write_text(said.out, encoding="utf-8")
    ran = tool("promtool", "check", "rules", "--lint=all", "--lint-fatal", tmp_path / "rules.yml")
    assert ran.returncode == 0, ran.stdout + ran.stderr
    assert said.out.count('runbook_url: "https://docs.example/kms/alerts.html#kms') == len(ALERTS)
    made = set(re.findall(r"(?:name|record): (?:job:)?(kms_\w+)", said.out))
    assert set(re.findall(r"\bkms_\w+", said.out)) - made <= set(BY_NAME)


def test_a_wrong_address_of_the_documentation_is_refused() -> None:
    said = kms_schema("metrics", "rules", "--docs-url", "https://user:secret@docs.example")
    assert (said.status, "--docs-url: the address" in said.error, "secret" in said.all) == (2, True, False)


def test_no_alert_names_an_exporter() -> None:
    assert [name for name, alert in ALERTS.items() if "instance" in alert["expr"]] == []
    holds = {alert["for"] for alert in ALERTS.values() if "for" in alert}
    assert holds == {"15m", "1h"}, "Prometheus restores none of up to ten minutes after a restart"
    assert len(METRICS) == len(BY_NAME)
