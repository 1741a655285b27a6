"""What is shipped beside the package: rules name metrics there are, alerts fire, the dashboard is current."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest
from ruamel.yaml import YAML

from brokerproof.canary.emf import HEARTBEAT, NAMESPACE
from brokerproof.canary.metrics import METRICS, MetricType
from brokerproof.canary.state import State
from tools import dashboard

DEPLOY = Path(__file__).parents[2] / "deploy"
RULES = DEPLOY / "prometheus" / "brokerproof-rules.yaml"
RULE_TESTS = sorted(RULES.parent.glob("brokerproof-*.test.yaml"))
NAMES = {metric.full_name for metric in METRICS} | {
    f"{metric.full_name}_bucket" for metric in METRICS if metric.type is MetricType.HISTOGRAM
}
STATES = {state.value for state in State}


def named_in(text: str) -> set[str]:
    """Metrics that an expression names; a recording rule's own name has colons."""
    return set(re.findall(r"(?<![\w:])brokerproof_\w+", text))


def rules() -> list[dict[str, Any]]:
    loaded = YAML(typ="safe", pure=True).load(RULES)
    return [rule for group in loaded["groups"] for rule in group["rules"]]


def tool(name: str) -> str:
    found = shutil.which(name)
    if found is None:
        pytest.skip(f"{name} is not installed: tools/setup.sh --test installs it")
    return found


def test_rules_name_metrics_labels_and_states_that_there_are() -> None:
    labels = {label for metric in METRICS for label in metric.labels}
    for rule in rules():
        expression = str(rule["expr"])
        assert named_in(expression) <= NAMES, rule
        for states in re.findall(r'state=~?"([^"]+)"', expression):
            assert set(states.split("|")) <= STATES
        for by in re.findall(r"by \(([^)]*)\)", expression):
            assert {each.strip() for each in by.split(",")} <= labels | {"job", "le"}


def test_every_state_that_alerts_has_a_rule() -> None:
    told = " ".join(str(rule["expr"]) for rule in rules())
    assert all(f'"{state.value}"' in told for state in State if state.alerts)


def test_every_alert_has_a_test_of_its_own_in_which_it_fires() -> None:
    loaded = [YAML(typ="safe", pure=True).load(path) for path in RULE_TESTS]
    tests = [test for each in loaded for test in each["tests"]]
    fired = {each["alertname"] for test in tests for each in test["alert_rule_test"] if each.get("exp_alerts")}
    assert fired == {rule["alert"] for rule in rules() if "alert" in rule}


@pytest.mark.slow
def test_promtool_finds_that_alerts_fire_by_what_they_are_for() -> None:
    promtool = tool("promtool")
    subprocess.run([promtool, "check", "rules", RULES], check=True, capture_output=True)
    subprocess.run([promtool, "test", "rules", *RULE_TESTS], check=True, capture_output=True)
    example = DEPLOY / "prometheus" / "prometheus.example.yaml"
    subprocess.run([promtool, "check", "config", example], check=True, capture_output=True)


@pytest.mark.slow
def test_promtool_refuses_an_alert_that_does_not_fire(tmp_path: Path) -> None:
    promtool = tool("promtool")
    weaker = RULES.read_text().replace('state="failed"}) == 1\n', 'state="failed"}) == 2\n', 1)
    assert weaker != RULES.read_text()
    (tmp_path / RULES.name).write_text(weaker)
    (of_pages,) = (path for path in RULE_TESTS if "rules" in path.name)
    shutil.copy(of_pages, tmp_path)
    refused = subprocess.run(
        [promtool, "test", "rules", tmp_path / of_pages.name], check=False, capture_output=True, text=True
    )
    assert refused.returncode == 1
    assert "BrokerproofPathFailed" in refused.stdout + refused.stderr


def test_amtool_takes_the_routes_and_sends_each_alert_where_it_belongs() -> None:
    amtool = tool("amtool")
    example = DEPLOY / "alertmanager" / "alertmanager.example.yaml"
    subprocess.run([amtool, "check-config", example], check=True, capture_output=True)

    def receiver(*labels: str) -> str:
        words = [amtool, "config", "routes", "test", f"--config.file={example}", *labels]
        return subprocess.run(words, check=True, capture_output=True, text=True).stdout.strip()

    assert receiver("alertname=BrokerproofPathFailed", "severity=page") == "pages"
    assert receiver("alertname=BrokerproofBudgetBurns", "severity=ticket") == "tickets"
    assert receiver("alertname=BrokerproofWatchdog", "severity=none") == "dead-man"


def test_the_dashboard_is_current_and_asks_for_metrics_that_there_are() -> None:
    assert dashboard.DASHBOARD.read_text("utf-8") == dashboard.text(), "run python -m tools.dashboard"
    loaded = json.loads(dashboard.text())
    assert len({panel["id"] for panel in loaded["panels"]}) == len(loaded["panels"])
    expressions = [target["expr"] for panel in loaded["panels"] for target in panel["targets"]]
    assert all(named_in(each) and named_in(each) <= NAMES for each in expressions)


def test_alarms_are_of_the_metrics_that_emf_lines_have_and_miss_what_is_missing() -> None:
    text = (DEPLOY / "cloudformation" / "canary-alarms.yaml").read_text()
    assert set(re.findall(r"MetricName: (\w+)", text)) == {HEARTBEAT, "Alerting"}
    assert set(re.findall(r"Namespace: (\w+)", text)) == {NAMESPACE}
    silent = text[text.index("CanaryIsSilent") :]
    assert "TreatMissingData: breaching" in silent


def test_units_and_manifests_call_commands_that_there_are() -> None:
    unit = (DEPLOY / "systemd" / "brokerproof-canary.service").read_text()
    assert re.search(r"ExecStart=\S+/brokerproof canary run \S+ --every 60s --state", unit)
    for name in ("canary-deployment.yaml", "canary-cronjob.yaml"):
        documents = list(YAML(typ="safe", pure=True).load_all(DEPLOY / "kubernetes" / name))
        text = json.dumps(documents)
        assert '"canary", "run", "/etc/brokerproof/target.yaml"' in text
