"""The dashboard for Grafana, as JSON."""

import json
from collections.abc import Iterator
from typing import Any

from kms_schema.monitoring.alerting.panels import NOTHING, Kind, Panel, query_of, rows
from kms_schema.monitoring.alerting.thresholds import Thresholds
from kms_schema.monitoring.names import COLLECTOR_SUCCESS

_SOURCE = {"type": "prometheus", "uid": "${datasource}"}
_WIDTH = 24
_SIZES = {Kind.STAT: (3, 4), Kind.LINES: (12, 8), Kind.TABLE: (12, 8)}
"""Columns and lines of the grid."""


def dashboard() -> str:
    """Return the JSON of the dashboard, for *Import dashboard* in Grafana or a folder that it is provisioned from.

    Raises nothing of its own.

    Example:
        Path("/var/lib/grafana/dashboards/kms.json").write_text(dashboard())
    """
    return json.dumps(_document(), indent=2) + "\n"


def _document() -> dict[str, Any]:
    return {
        "uid": "kms-schema",
        "title": "Key management",
        "tags": ["kms-schema"],
        "timezone": "browser",
        "editable": True,
        "graphTooltip": 1,
        "schemaVersion": 39,
        "refresh": "1m",
        "time": {"from": "now-24h", "to": "now"},
        "annotations": {"list": []},
        "templating": {"list": [
            {"name": "datasource", "label": "Data source", "type": "datasource", "query": "prometheus"},
            {"name": "job", "label": "Database", "type": "query", "datasource": _SOURCE, "refresh": 2, "sort": 1,
             "query": {"query": f"label_values({COLLECTOR_SUCCESS}, job)", "refId": "jobs"}},
        ]},
        "panels": [{"id": number, **panel} for number, panel in enumerate(_panels(), 1)],
    }  # fmt: skip


def _panels() -> Iterator[dict[str, Any]]:
    line = 0
    for row in rows(Thresholds()):
        yield {
            "type": "row",
            "title": row.title,
            "collapsed": False,
            "panels": [],
            "gridPos": _place(0, line, _WIDTH, 1),
        }
        line, column, height = line + 1, 0, 0
        for panel in row.panels:
            width, high = _SIZES[panel.kind]
            if column + width > _WIDTH:
                line, column, height = line + height, 0, 0
            yield _panel(panel) | {"gridPos": _place(column, line, width, high)}
            column, height = column + width, max(height, high)
        line += height


def _place(column: int, line: int, width: int, height: int) -> dict[str, int]:
    return {"x": column, "y": line, "w": width, "h": height}


def _panel(panel: Panel) -> dict[str, Any]:
    at_once = panel.kind is not Kind.LINES
    labels = [label for label in panel.legend.split(",") if label]
    return {
        "type": str(panel.kind),
        "title": panel.title,
        "description": panel.description,
        "datasource": _SOURCE,
        "targets": [{
            "refId": "A",
            "datasource": _SOURCE,
            "expr": query_of(panel),
            "instant": at_once,
            "range": not at_once,
            "format": "table" if panel.kind is Kind.TABLE else "time_series",
            "legendFormat": " ".join(f"{{{{{label}}}}}" for label in labels) or panel.title,
        }],
        "fieldConfig": {"defaults": {
            "unit": panel.unit,
            "noValue": "unknown",
            **({"mappings": [_NOTHING]} if panel.part else {}),
            **({"thresholds": _thresholds(panel.steps)} if panel.steps else {}),
            **({"custom": {"cellOptions": {"type": "color-text"}}} if panel.kind is Kind.TABLE and panel.steps else {}),
        }, "overrides": []},
        "options": _OPTIONS[panel.kind],
        **({"transformations": [_columns(labels)]} if panel.kind is Kind.TABLE else {}),
    }  # fmt: skip


_OPTIONS: dict[Kind, dict[str, Any]] = {
    Kind.STAT: {"colorMode": "value", "graphMode": "none", "reduceOptions": {"calcs": ["lastNotNull"]}},
    Kind.LINES: {"legend": {"displayMode": "list", "placement": "bottom", "showLegend": True}},
    Kind.TABLE: {"showHeader": True, "sortBy": [{"displayName": "Value"}]},
}


_NOTHING = {"type": "value", "options": {str(NOTHING): {"text": "none", "color": "green", "index": 0}}}


def _thresholds(steps: tuple[float, float]) -> dict[str, Any]:
    colours = [("green", None), *([("orange", steps[0])] if steps[0] < steps[1] else []), ("red", steps[1])]
    return {"mode": "absolute", "steps": [{"color": colour, "value": value} for colour, value in colours]}


def _columns(labels: list[str]) -> dict[str, Any]:
    order = {name: number for number, name in enumerate([*labels, "Value"])}
    return {"id": "organize", "options": {"excludeByName": {"Time": True}, "indexByName": order, "renameByName": {}}}
