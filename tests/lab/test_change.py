"""Changes of a running lab's brokers, and what is left when a change fails half-way."""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Iterator

import dns.message
import pytest

from brokerproof.lab.errors import LabError
from brokerproof.lab.faults import FAULTS
from brokerproof.lab.life.handle import Lab
from brokerproof.topology.expectation.expect import expect
from brokerproof.topology.models import Topology
from brokerproof.topology.patterns import PATTERNS, PatternOptions

pytestmark = pytest.mark.lab


def brokers(number: int, **properties: str) -> Topology:
    topology = PATTERNS["in_vpc"].build(PatternOptions(brokers=number))
    cluster = topology.clusters[0].model_copy(update={"server_properties": properties})
    return topology.model_copy(update={"clusters": (cluster,)})


@pytest.fixture
def lab() -> Iterator[Lab]:
    with Lab.start(brokers(1)) as built:
        yield built


def test_brokers_come_and_go_and_progress_is_said(lab: Lab) -> None:
    """A cluster that loses a broker starts anew: replicas and votes on it are gone."""
    said: list[str] = []
    lab.rebuild(brokers(2), said.append)
    assert lab.status()["brokers"] == {"demo-1": "running", "demo-2": "running"}
    assert said[0] == "namespaces: 1 added, 1 changed", "the broker, and its router"
    assert "brokers: demo-2 is up" in " ".join(said)
    first = lab.status()["broker_pids"]["demo-1"]
    lab.rebuild(brokers(1))
    assert lab.status()["brokers"] == {"demo-1": "running"}
    assert lab.status()["broker_pids"]["demo-1"] != first
    lab.rebuild(brokers(1))
    answer = subprocess.run(
        [*lab.command_prefix("cluster_vpc"), "openssl", "s_client", "-connect", "10.0.0.10:9094", "-brief"],
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
    )
    assert "CONNECTION ESTABLISHED" in answer.stderr


def test_a_change_that_fails_half_way_leaves_a_lab_that_only_stops(lab: Lab) -> None:
    with pytest.raises(LabError, match=r"(?s)failed half-way.*unknown.*broker demo-1 ended .*num\.network\.threads"):
        lab.apply(brokers(1, **{"num.network.threads": "none"}))
    for refused in (
        lambda: lab.apply(brokers(1)),
        lambda: lab.rebuild(brokers(1)),
        lambda: lab.command_prefix("cluster_vpc"),
    ):
        with pytest.raises(LabError, match="its state is unknown; end it and start a new one"):
            refused()
    again = Lab.attach(lab.name)
    assert "failed half-way" in again.unknown
    with pytest.raises(LabError, match="its state is unknown"):
        again.command_prefix("cluster_vpc")
    again.stop()
    with pytest.raises(LabError, match="ended"):
        lab.status()


TRY = """\
import socket, sys
with socket.socket() as sock:
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    sock.bind(("", 40000))
    sock.settimeout(1.5)
    try:
        sock.connect((sys.argv[1], int(sys.argv[2])))
    except TimeoutError:
        print("silent")
    else:
        print("connected")
"""


def test_what_was_begun_before_a_change_does_not_go_the_old_way_after_it() -> None:
    """A NAT remembers where it sent a SYN; the next one from that port would follow, whatever the rules are now."""
    intended = PATTERNS["privatelink_single_nlb"].build(PatternOptions(brokers=2, zones=2))
    first, *_ = expect(intended, "account_b").brokers
    elsewhere = next(a for a in first.addresses if a.zone_id != first.zone_id)

    def tried(built: Lab) -> str:
        command = [*built.command_prefix("account_b"), sys.executable, "-c", TRY, elsewhere.address, str(first.port)]
        return subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip()

    with Lab.start(intended) as built:
        built.apply(FAULTS["broker-security-group-closed"].edit(intended))
        assert tried(built) == "silent"
        built.apply(FAULTS["cross-zone-off"].edit(intended))
        time.sleep(3)  # as long as it takes to look at something else
        assert tried(built) == "silent"
        built.apply(intended)
        assert tried(built) == "connected"


ASK = """\
import socket, sys
with socket.socket(type=socket.SOCK_DGRAM) as sock:
    sock.bind(("", 40001))
    sock.settimeout(1)
    sock.sendto(bytes.fromhex(sys.argv[2]), (sys.argv[1], 53))
    try:
        sock.recv(4096)
    except TimeoutError:
        print("silent")
    else:
        print("answered")
"""


def test_a_resolver_that_falls_silent_does_so_for_who_was_answered_before() -> None:
    intended = brokers(1)
    view = expect(intended, "cluster_vpc")
    question = dns.message.make_query(view.brokers[0].name, "A").to_wire().hex()

    def asked(built: Lab) -> str:
        command = [*built.command_prefix("cluster_vpc"), sys.executable, "-c", ASK, view.resolvers[0], question]
        return subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip()

    with Lab.start(intended) as built:
        assert asked(built) == "answered"
        built.apply(FAULTS["resolver-silent"].edit(intended))
        assert asked(built) == "silent"
        built.apply(intended)
        assert asked(built) == "answered"
