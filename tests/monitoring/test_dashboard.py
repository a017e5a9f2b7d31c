"""The dashboard for Grafana: its queries, and its form as Grafana's own types have it."""

import json
import re
from pathlib import Path
from typing import Any

from grafana_foundation_sdk.cog.encoder import JSONEncoder
from grafana_foundation_sdk.cog.plugins import register_default_plugins
from grafana_foundation_sdk.models.dashboard import Dashboard

from kms_schema.monitoring.alerting.thresholds import Thresholds
from kms_schema.monitoring.names import BY_NAME, Part
from support.engines.prometheus import tool
from support.programs.commands import kms_schema


def printed() -> dict[str, Any]:
    """Return what the command prints."""
    said = kms_schema("metrics", "dashboard")
    assert (said.status, said.err) == (0, "")
    return dict(json.loads(said.out))


def queries() -> list[str]:
    return [target["expr"] for panel in printed()["panels"] for target in panel.get("targets", ())]


def lost(given: Any, kept: Any, path: str = "") -> list[str]:
    """Return the paths of what is in one JSON value and not in another."""
    if isinstance(given, dict) and isinstance(kept, dict):
        return [each for key, value in given.items() for each in lost(value, kept.get(key), f"{path}.{key}")]
    if isinstance(given, list) and isinstance(kept, list) and len(given) == len(kept):
        pairs = enumerate(zip(given, kept, strict=True))
        return [each for number, (one, other) in pairs for each in lost(one, other, f"{path}[{number}]")]
    return [] if given == kept else [path]


def test_grafana_knows_each_field() -> None:
    """A field of another name or place is not in the types that Grafana generates from its schema."""
    register_default_plugins()
    document = printed()
    kept = json.loads(json.dumps(Dashboard.from_json(document), cls=JSONEncoder))
    assert lost(document, kept) == []


def test_each_query_uses_names_of_the_registry() -> None:
    used = {name for expr in queries() for name in re.findall(r"\bkms_\w+", expr)}
    assert used <= set(BY_NAME)
    assert len(used) > 25
    assert all('job=~"$job"' in expr for expr in queries())


def test_prometheus_can_read_each_query(tmp_path: Path) -> None:
    rules = [{"record": f"panel:{number}", "expr": expr.replace("$job", ".+")} for number, expr in enumerate(queries())]
    file = tmp_path / "panels.yml"
    file.write_text(json.dumps({"groups": [{"name": "panels", "rules": rules}]}), encoding="utf-8")
    ran = tool("promtool", "check", "rules", file)
    assert (ran.returncode, f"{len(rules)} rules found" in ran.stdout) == (0, True), ran.stdout + ran.stderr


def test_a_panel_without_series_says_none_only_if_its_part_was_read(tmp_path: Path) -> None:
    """Without series of its own the query of such a panel is -1, and absent if the part failed."""
    panels = [each for each in printed()["panels"] if "mappings" in each.get("fieldConfig", {}).get("defaults", {})]
    exprs = [each["targets"][0]["expr"].replace("$job", ".+") for each in panels]
    assert len(exprs) == 10
    rules = [{"record": f"panel:{number}", "expr": expr} for number, expr in enumerate(exprs)]
    (tmp_path / "panels.yml").write_text(json.dumps({"groups": [{"name": "panels", "rules": rules}]}))
    tests = []
    for success in (1, 0):
        name = 'kms_collector_success{{job="kms", part="{}"}}'
        given = [{"series": name.format(part), "values": f"{success}"} for part in Part]
        none = [{"labels": f"panel:{number}", "value": -1} for number in range(len(exprs))] if success else []
        checked = [{"expr": '{__name__=~"panel:.+"}', "eval_time": "0m", "exp_samples": none}]
        tests.append({"interval": "1m", "input_series": given, "promql_expr_test": checked})
    content = {"rule_files": ["panels.yml"], "evaluation_interval": "1m", "tests": tests}
    (tmp_path / "tests.yml").write_text(json.dumps(content))
    ran = tool("promtool", "test", "rules", tmp_path / "tests.yml")
    assert ran.returncode == 0, ran.stdout + ran.stderr


def test_the_colours_of_panels_have_the_thresholds_of_the_alerts() -> None:
    limits = Thresholds()
    steps = {
        panel["title"]: [step["value"] for step in panel["fieldConfig"]["defaults"]["thresholds"]["steps"][1:]]
        for panel in printed()["panels"]
        if "thresholds" in panel.get("fieldConfig", {}).get("defaults", {})
    }
    assert steps["Oldest unsealed entry"] == [limits.unsealed / 2, limits.unsealed]
    assert steps["Last seal"][0] == limits.unsealed
    assert steps["Last publication"] == [limits.unpublished, 2 * limits.unpublished]
    assert steps["Last validation"] == [limits.validation, 2 * limits.validation]
    assert steps["Last cosignatures"] == [limits.not_cosigned, 2 * limits.not_cosigned]
    assert steps["Entries past their retention"][1] == limits.retention


def test_panels_lie_beside_one_another() -> None:
    taken: set[tuple[int, int]] = set()
    for panel in printed()["panels"]:
        place = panel["gridPos"]
        cells = {(place["x"] + x, place["y"] + y) for x in range(place["w"]) for y in range(place["h"])}
        assert not taken & cells, panel["title"]
        assert max(x for x, _ in cells) < 24
        taken |= cells
    assert len({panel["id"] for panel in printed()["panels"]}) == len(printed()["panels"])
