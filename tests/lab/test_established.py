"""Clients that stay, in the lab: the connections of one broker lose their state, and everything new works."""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Iterator

import msgspec
import pytest

from brokerproof.canary.established import Noticed, Staying, is_silent
from brokerproof.diagnosis.check import Verdict
from brokerproof.lab.life.handle import Lab
from brokerproof.probes.survival.values import SLOWEST_MS, Lived
from brokerproof.running.planning import conclude, make_plan
from brokerproof.running.site import lab_vantage
from brokerproof.running.survivors import ESTABLISHED, survival_plan, survivors_command
from brokerproof.topology.expectation.expect import expect
from brokerproof.topology.patterns import PATTERNS

pytestmark = pytest.mark.lab

CLIENT = "cluster_vpc"
TOPIC = "watched"
MAKE_TOPIC = """
import sys
from confluent_kafka.admin import AdminClient, NewTopic
servers, ca = sys.argv[1:]
admin = AdminClient({"bootstrap.servers": servers, "security.protocol": "ssl", "ssl.ca.location": ca})
admin.create_topics([NewTopic("watched", num_partitions=3, replica_assignment=[[1], [2], [3]])])["watched"].result(30)
"""
DROP = """
table inet lost {{
  chain out {{
    type filter hook output priority 0;
    tcp sport {{ {ports} }} drop
  }}
}}
"""


@pytest.fixture
def lab() -> Iterator[Lab]:
    with Lab.start(PATTERNS["in_vpc"].build()) as built:
        yield built


def inside(lab: Lab, *command: str, given: str = "") -> str:
    done = subprocess.run(
        [*lab.command_prefix(CLIENT), *command], input=given, capture_output=True, text=True, check=True
    )
    return done.stdout


def looked(staying: Staying, most_s: float = 30.0) -> Lived:
    until = time.monotonic() + most_s
    seen = Noticed()
    while seen.lived is None:
        assert not seen.trouble
        assert time.monotonic() < until
        time.sleep(0.1)
        seen = staying.look()
    return seen.lived


def ports_to(lab: Lab, address: str) -> list[str]:
    """Ports from which connections lead there."""
    lines = inside(lab, "ss", "-Htn", "state", "established", "dst", address).splitlines()
    return [line.split()[2].rpartition(":")[2] for line in lines]


def test_what_was_established_is_silent_while_everything_new_works(lab: Lab) -> None:
    topology = lab.intended
    client = topology.client(CLIENT).model_copy(update={"existing_topic": TOPIC})
    view = expect(topology, CLIENT)
    assert client.ca_file is not None
    servers = ",".join(f"{broker.name}:{broker.port}" for broker in view.brokers)
    inside(lab, sys.executable, "-c", MAKE_TOPIC, servers, client.ca_file)
    plan = msgspec.structs.replace(survival_plan(topology, client), topic=TOPIC, every_ms=SLOWEST_MS)
    staying = Staying(CLIENT, survivors_command(client, lab, module=ESTABLISHED), plan)
    try:
        looked(staying)
        time.sleep(3)
        well = looked(staying)
        assert [flow.broker_id for flow in well.flows] == [1, 2, 3]
        assert not any(map(is_silent, well.flows))
        assert all(flow.acknowledged >= 2 <= flow.received for flow in well.flows)

        [lost] = [a.address for broker in view.brokers if broker.broker_id == 2 for a in broker.addresses]
        ports = ports_to(lab, lost)
        assert len(ports) >= 2, "a producer's and a consumer's"
        inside(lab, "nft", "-f", "-", given=DROP.format(ports=", ".join(ports)))
        time.sleep(6)
        silent = {flow.broker_id: is_silent(flow) for flow in looked(staying).flows}
        with lab_vantage(lab, CLIENT) as vantage:
            fresh = make_plan(view, topology.client(CLIENT), measure=False)
            checks = conclude(view, fresh, vantage.run(fresh)).checks
        assert silent == {1: False, 2: True, 3: False}
        assert {check.verdict for check in checks} == {Verdict.PASSED}
    finally:
        staying.close()
