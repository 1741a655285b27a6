"""The Grafana dashboard of the canary, made of the metrics' own definitions.

``python -m tools.dashboard`` writes deploy/grafana/canary.json where it is not current; ``--check`` only says so.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any, Final

from brokerproof.canary import metrics
from brokerproof.canary.metrics import Metric, MetricType
from brokerproof.canary.state import State
from brokerproof.reports.files import write_atomically

ROOT: Final = Path(__file__).parents[1]
DASHBOARD: Final = ROOT / "deploy" / "grafana" / "canary.json"
_SOURCE: Final = {"type": "prometheus", "uid": "${source}"}
_OF_CLIENT: Final = 'client=~"$client"'


def dashboard() -> dict[str, Any]:
    """The dashboard as Grafana imports it."""
    panels = [
        _states(place=(0, 0), size=(24, 8)),
        _named(place=(0, 8), size=(24, 6)),
        _series(
            metrics.LAST_RUN,
            "Seconds since the last round",
            "time() - {}",
            legend="{{client}}",
            unit="s",
            place=(0, 14),
        ),
        _series(
            metrics.CHECK_TOTAL,
            "Checks that fail",
            "sum by (client, stage, reason) (rate({}[5m]))",
            labels='status="failed"',
            legend="{{client}} {{stage}} {{reason}}",
            unit="ops",
            place=(12, 14),
        ),
        _series(
            metrics.STAGE_DURATION,
            "p95 of stages",
            "histogram_quantile(0.95, sum by (le, client, stage) (rate({}[15m])))",
            legend="{{client}} {{stage}}",
            unit="s",
            place=(0, 22),
        ),
        _series(
            metrics.CERTIFICATE,
            "Until certificates end",
            "min by (client, broker) ({}) - time()",
            legend="{{client}} {{broker}}",
            unit="s",
            place=(12, 22),
        ),
        _series(
            metrics.RUNS_TOTAL,
            "Rounds by outcome",
            "sum by (outcome) (rate({}[15m])) * 60",
            legend="{{outcome}}",
            unit="cpm",
            place=(0, 30),
        ),
        _series(
            metrics.CONNECTIONS,
            "Connections that the canary makes",
            "rate({}[5m])",
            labels="",
            legend="connections",
            unit="ops",
            place=(12, 30),
        ),
    ]
    return {
        "title": "brokerproof canary",
        "uid": "brokerproof-canary",
        "schemaVersion": 39,
        "version": 1,
        "editable": True,
        "time": {"from": "now-6h", "to": "now"},
        "refresh": "30s",
        "tags": ["brokerproof", "kafka"],
        "templating": {
            "list": [
                {"name": "source", "label": "Data source", "type": "datasource", "query": "prometheus"},
                {
                    "name": "client",
                    "label": "Client",
                    "type": "query",
                    "datasource": _SOURCE,
                    "query": {"query": f"label_values({metrics.STATE.full_name}, client)", "refId": "client"},
                    "refresh": 2,
                    "includeAll": True,
                    "multi": True,
                },
            ]
        },
        "panels": [{"id": number, **panel} for number, panel in enumerate(panels, 1)],
    }


def _panel(kind: str, title: str, metric: Metric, place: tuple[int, int], size: tuple[int, int]) -> dict[str, Any]:
    return {
        "type": kind,
        "title": title,
        "description": metric.help,
        "datasource": _SOURCE,
        "gridPos": {"x": place[0], "y": place[1], "w": size[0], "h": size[1]},
    }


def _states(*, place: tuple[int, int], size: tuple[int, int]) -> dict[str, Any]:
    """Every watched thing over time, in the state that it has: the order of the states is the numbers' order."""
    states = [state.value for state in State]
    total = " + ".join(
        f'{number} * max by (client, broker, address) ({metrics.STATE.full_name}{{{_OF_CLIENT}, state="{state}"}})'
        for number, state in enumerate(states)
    )
    colours = {"ok": "green", "failed": "red", "flapping": "orange", "held": "blue", "not_yet": "text"}
    mappings = [
        {
            "type": "value",
            "options": {
                str(number): {"text": state.replace("_", " "), "color": colours.get(state, "purple"), "index": number}
                for number, state in enumerate(states)
            },
        }
    ]
    return {
        **_panel("state-timeline", "What is watched", metrics.STATE, place, size),
        "fieldConfig": {"defaults": {"mappings": mappings, "custom": {"fillOpacity": 80}}, "overrides": []},
        "options": {"mergeValues": True, "showValue": "never", "rowHeight": 0.9},
        "targets": [_target(total, "{{client}} {{broker}} {{address}}")],
    }


def _named(*, place: tuple[int, int], size: tuple[int, int]) -> dict[str, Any]:
    query = f"{metrics.NAMED.full_name}{{{_OF_CLIENT}}} == 1"
    return {
        **_panel("table", "What is named, and what to change", metrics.NAMED, place, size),
        "fieldConfig": {"defaults": {}, "overrides": []},
        "options": {},
        "transformations": [
            {
                "id": "organize",
                "options": {
                    "excludeByName": {"Time": True, "Value": True, "__name__": True, "instance": True, "job": True},
                    "indexByName": {label: place for place, label in enumerate(metrics.NAMED.labels)},
                },
            }
        ],
        "targets": [{**_target(query, ""), "format": "table", "instant": True}],
    }


def _series(
    metric: Metric,
    title: str,
    expression: str,
    *,
    legend: str,
    unit: str,
    place: tuple[int, int],
    labels: str | None = None,
) -> dict[str, Any]:
    name = metric.full_name + ("_bucket" if metric.type is MetricType.HISTOGRAM else "")
    chosen = ", ".join(part for part in (_OF_CLIENT if "client" in metric.labels else "", labels or "") if part)
    selector = f"{name}{{{chosen}}}" if chosen else name
    return {
        **_panel("timeseries", title, metric, place, (12, 8)),
        "fieldConfig": {"defaults": {"unit": unit}, "overrides": []},
        "options": {"legend": {"displayMode": "list", "placement": "bottom"}},
        "targets": [_target(expression.format(selector), legend)],
    }


def _target(expression: str, legend: str) -> dict[str, Any]:
    return {"refId": "A", "datasource": _SOURCE, "expr": expression, "legendFormat": legend}


def text() -> str:
    """The dashboard as it is committed."""
    return json.dumps(dashboard(), indent=2) + "\n"


def main(arguments: list[str]) -> int:
    """Write it where it is not current, or with ``--check`` say so; 1 where it is not."""
    current = DASHBOARD.exists() and DASHBOARD.read_text("utf-8") == text()
    if arguments == ["--check"]:
        if not current:
            sys.stderr.write("deploy/grafana/canary.json is out of date: run python -m tools.dashboard\n")
        return 0 if current else 1
    if not current:
        write_atomically(DASHBOARD, text().encode())
        sys.stdout.write(f"wrote {DASHBOARD.relative_to(ROOT)}\n")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
