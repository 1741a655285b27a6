"""Each alert rule fires by a fault of the lab, through Debian's Prometheus and Alertmanager, to a webhook."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
from ruamel.yaml import YAML

from benchmarks.fault_to_alert import ROUTES, RULES, fired

pytestmark = pytest.mark.lab


@pytest.mark.timeout(1500)
def test_each_rule_is_told_by_a_fault_and_goes_where_its_severity_does(tmp_path: Path) -> None:
    for name in ("prometheus", "prometheus-alertmanager"):
        if shutil.which(name) is None:
            pytest.skip(f"{name} is not installed: tools/setup.sh --test installs it")
    yaml = YAML(typ="safe", pure=True)
    alerts = [rule for group in yaml.load(RULES)["groups"] for rule in group["rules"] if "alert" in rule]
    routes = {"page": "pages", "ticket": "tickets", "none": "dead-man"}
    assert set(routes.values()) == {each["name"] for each in yaml.load(ROUTES)["receivers"]}
    rows = list(fired(tmp_path, hurried=True))
    assert {row.alert: row.receiver for row in rows} == {
        rule["alert"]: routes[rule["labels"]["severity"]] for rule in alerts
    }
    assert all(row.said for row in rows)
