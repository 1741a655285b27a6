"""A real Kafka on loopback, and a file of ten lines: what somebody tries first."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from brokerproof.diagnosis.check import Verdict
from brokerproof.running.amount import Amount
from brokerproof.running.site import Site
from brokerproof.topology.files import loads
from tests.loopback_kafka import LoopbackKafka, loopback_kafka

pytestmark = pytest.mark.lab


@pytest.fixture(scope="module")
def plain(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LoopbackKafka]:
    with loopback_kafka(tmp_path_factory.mktemp("plain"), (1001,)) as kafka:
        yield kafka


def least(kafka: LoopbackKafka, *, listener: str, broker_id: int) -> str:
    return f"""\
version: 1
name: least
clusters:
- cluster_name: demo
  listeners: [{{name: {listener}, port: {kafka.ports[0]}}}]
  brokers: [{{broker_id: {broker_id}, endpoint: {kafka.host}}}]
clients:
- {{name: here, cluster_name: demo, pattern: unknown, listener: {listener}, vantage: {{kind: local}}}}
"""


def test_the_least_file_is_green_on_a_healthy_cluster(plain: LoopbackKafka, tmp_path: Path) -> None:
    text = least(plain, listener="CLIENT", broker_id=1001)
    assert len(text.splitlines()) <= 10
    topology = loads(text, source="least.yaml")
    with Site(topology, lab=None, journal=None, amount=Amount.BRIEF) as site:
        run = site.run("here", measure=True)
    assert run.run.error == ""
    assert {c.check_id: c.verdict for c in run.checks if c.verdict is not Verdict.PASSED} == {}
    assert run.findings == ()


def test_another_broker_than_the_file_says_is_red(plain: LoopbackKafka) -> None:
    topology = loads(least(plain, listener="CLIENT", broker_id=7), source="least.yaml")
    with Site(topology, lab=None, journal=None, amount=Amount.BRIEF) as site:
        run = site.run("here", measure=False)
    red = {c.check_id for c in run.checks if c.verdict is Verdict.FAILED}
    assert any("identity" in each for each in red), red
