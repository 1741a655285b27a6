"""PutMetricData by a real client of boto3, answered before a request leaves: what is sent and not waited for."""

from __future__ import annotations

import copy
import re
import threading
import time
from collections import Counter
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import boto3
import botocore.session
import pytest

from brokerproof.canary.cloudwatch import MOST_DATA, MOST_VALUES, STAGE, CloudWatch
from brokerproof.canary.emf import HEARTBEAT, NAMESPACE
from brokerproof.errors import CouldNotError
from tests.canary.made import CLIENT, dead_address, done, run_of, slept, well
from tests.canary.test_deploy import DEPLOY
from tests.canary.test_exports import ADDRESS, Exporting

Call = dict[str, Any]


class Account:
    """Keeps every call of PutMetricData, as boto3 was told it and found it right."""

    def __init__(self) -> None:
        self.calls: list[Call] = []
        self.may_answer = threading.Event()
        self.may_answer.set()
        self.refuses = False

    def session(self, region: str | None = "us-east-1") -> Any:
        core = botocore.session.Session()
        core.register("before-parameter-build.cloudwatch.PutMetricData", self._keep)
        core.register("before-call.cloudwatch.PutMetricData", self._answer)
        keys = {"aws_access_key_id": "none", "aws_secret_access_key": "none"}
        return boto3.Session(botocore_session=core, region_name=region, **keys)

    def _keep(self, params: Call, context: dict[str, Any], **_: object) -> None:
        context["asked"] = copy.deepcopy(dict(params))

    def _answer(self, context: dict[str, Any], **_: object) -> tuple[SimpleNamespace, Call]:
        self.may_answer.wait(30)
        self.calls.append(context["asked"])
        status = 403 if self.refuses else 200
        error = {"Error": {"Code": "AccessDenied", "Message": "no"}} if self.refuses else {}
        return SimpleNamespace(status_code=status, headers={}), {
            **error,
            "ResponseMetadata": {"HTTPStatusCode": status},
        }

    @property
    def data(self) -> list[Call]:
        return [datum for call in self.calls for datum in call["MetricData"]]

    def of(self, name: str, **labels: str) -> list[Call]:
        wanted = labels.items()
        return [
            each
            for each in self.data
            if each["MetricName"] == name and wanted <= {d["Name"]: d["Value"] for d in each["Dimensions"]}.items()
        ]


@pytest.fixture
def account() -> Account:
    return Account()


@pytest.fixture
def exporting(tmp_path: Path) -> Exporting:
    return Exporting(tmp_path)


def sink_of(account: Account, exporting: Exporting, said: list[str]) -> CloudWatch:
    return CloudWatch(account.session, exporting.watch.snapshot, target="mine.yaml", say=said.append)


def send(sink: CloudWatch, exporting: Exporting, *runs: Any) -> None:
    for run in runs:
        exporting.now += 60
        taken = done(run, exporting.now)
        ended, changes = exporting.watch.took(taken)
        sink.told((ended, *changes), taken)


def test_each_round_is_a_heartbeat_each_broker_its_state_and_each_stage_a_distribution(
    account: Account, exporting: Exporting
) -> None:
    said: list[str] = []
    sink = sink_of(account, exporting, said)
    bad = run_of(dead_address(ADDRESS)(well()))
    send(sink, exporting, run_of(well()), bad, bad)
    sink.close()
    assert not said
    assert {call["Namespace"] for call in account.calls} == {NAMESPACE}
    assert [each["Value"] for each in account.of(HEARTBEAT, Client=CLIENT)] == [1, 1, 1]
    assert [each["Value"] for each in account.of("Alerting", Broker="broker-1")] == [0, 0, 1]
    assert [each["Value"] for each in account.of("Alerting", Broker="broker-2")] == [0, 0, 0]
    first, second, _ = account.of(STAGE, Broker="broker-1", Stage="connect")
    assert sum(first["Counts"]) > sum(second["Counts"]) > 0, "what failed took no time"
    for each in account.of(STAGE):
        assert len(each["Values"]) == len(set(each["Values"])) == len(each["Counts"]) <= MOST_VALUES
    assert all(len(call["MetricData"]) <= MOST_DATA for call in account.calls)
    # CloudWatch refuses a datum with more than 30 dimensions, or one that is there twice in a call.
    keys = Counter((d["MetricName"], d["Timestamp"], str(d["Dimensions"])) for d in account.data)
    assert set(keys.values()) == {1}


def test_alarms_read_metrics_and_dimensions_that_are_sent(account: Account, exporting: Exporting) -> None:
    sink = sink_of(account, exporting, [])
    send(sink, exporting, run_of(well()))
    sink.close()
    text = (DEPLOY / "cloudformation" / "canary-alarms.yaml").read_text()
    for alarm in text.split("AWS::CloudWatch::Alarm")[1:]:
        [name] = re.findall(r"MetricName: (\w+)", alarm)
        dimensions = re.findall(r"\{Name: (\w+), Value", alarm)
        assert any([d["Name"] for d in each["Dimensions"]] == dimensions for each in account.of(name)), name


def test_a_round_that_its_host_slept_through_has_no_heartbeat_and_no_times(
    account: Account, exporting: Exporting
) -> None:
    sink = sink_of(account, exporting, [])
    send(sink, exporting, run_of(slept(well())))
    sink.close()
    assert [each["Value"] for each in account.of(HEARTBEAT, Client=CLIENT)] == [0]
    assert not account.of(STAGE)


def test_no_round_waits_for_cloudwatch_and_what_it_refuses_is_said_once(account: Account, exporting: Exporting) -> None:
    said: list[str] = []
    account.refuses = True
    account.may_answer.clear()
    sink = sink_of(account, exporting, said)
    began = time.monotonic()
    send(sink, exporting, *[run_of(well())] * 3)
    assert time.monotonic() - began < 20
    assert not account.calls
    account.may_answer.set()
    sink.close()
    assert len(account.calls) == 3
    [only] = said
    assert "CloudWatch did not take a round's metrics: An error occurred (AccessDenied)" in only


def test_without_a_region_it_is_one_sentence(
    account: Account, exporting: Exporting, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    for name in ("AWS_REGION", "AWS_DEFAULT_REGION", "AWS_PROFILE"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("AWS_CONFIG_FILE", str(tmp_path / "none"))
    with pytest.raises(CouldNotError, match="CloudWatch cannot be called: You must specify a region"):
        CloudWatch(lambda: account.session(None), exporting.watch.snapshot, target="t")
